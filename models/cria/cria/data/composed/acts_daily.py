"""More acts: what people do with things at home, at work and with machines."""

from cria.data.composed.act import Act, command, question

DAILY: tuple[Act, ...] = (
    Act(
        ("translate_{n}", "{n}_in_language", "say_{n}"), "text",
        command("[Translate|Put into another language] a {n}",
                "[say {x} in their language|put {x} so that they understand it|turn the words {x} into theirs]"),
        command("[翻译|转译]{n}", "[{x}用他们的话怎么讲|把{x}译出来|{x}换成外语]"),
    ),
    Act(
        ("count_{n}s", "number_of_{n}s", "{n}_count"), "place",
        question(
            "[Count|How many there are of] the {n}s at a place",
            "[how many {n}s are there|how many {n}s do we have|what is the number of {n}s] [in|at] {x}",
            "[how many {n}s {x} has|how often one finds a {n} in {x}]",
        ),
        question("[统计|数]某处{n}的数量", "{x}[有几个|一共有多少|剩下多少|总共几个]{n}"),
    ),
    Act(
        ("measure_{n}", "{n}_size", "{n}_dimensions"), "code",
        question(
            "[Measure|Dimensions of|How large is] a {n}",
            "[how big is|how long is|does it fit: what size is|how tall is] {n} {x}",
            "[how much room {n} {x} takes|how big {n} {x} is]",
        ),
        question("[测量|查看]{n}的[尺寸|大小]", "{n}{x}[有多大|多长多宽|占多少地方|放不放得下]"),
    ),
    Act(
        ("lock_{n}", "secure_{n}"), "place",
        command("[Lock|Secure|Close off] a {n}",
                "[make sure nobody gets into the {n} [in|at] {x}|nobody may use the {n} [in|at] {x}|shut the {n} [in|at] {x}]"),
        command("[锁上|封闭]{n}", "[别让人进{x}的{n}|把{x}的{n}关严|{x}的{n}谁也不许用]"),
    ),
    Act(
        ("unlock_{n}", "open_{n}", "release_{n}"), "code",
        command("[Unlock|Open|Release] a {n}",
                "[let me into {n} {x}|I am standing before {n} {x}, let me through|make {n} {x} free to use]"),
        command("[解锁|开启]{n}", "[放我进{n}{x}|我站在{n}{x}跟前，进不去|让{n}{x}能用]"),
    ),
    Act(
        ("lend_{n}", "loan_{n}", "check_out_{n}"), "person",
        command("[Lend|Give out] a {n} to somebody",
                "[{x} needs a {n} until next week|{x} would like to take a {n} home|let {x} borrow a {n}]"),
        command("[借出|出借]{n}", "[{x}想借一个{n}|{x}要把{n}带回家用几天|让{x}拿{n}用用]"),
    ),
    Act(
        ("return_{n}", "take_back_{n}", "refund_{n}"), "code",
        command("[Take back|Refund] a {n}",
                "[{n} {x} was a mistake, I want my money|I don't want to keep {n} {x}|{n} {x} is not what I ordered]"),
        command("[退回|退款]{n}", "[{n}{x}买错了，钱退我|{n}{x}我不想留了|{n}{x}不是我要的]"),
    ),
    Act(
        ("sell_{n}", "offer_{n}", "list_{n}_for_sale"), "title",
        command("[Sell|Offer for sale] a {n}", "[find a buyer for {x}|turn {x} into money|let {x} go to whoever pays|part with {x}]"),
        command("[出售|挂牌]{n}", "[给{x}找个买家|把{x}换成钱|{x}脱手]"),
    ),
    Act(
        ("clean_{n}", "wash_{n}", "tidy_{n}"), "place",
        command("[Clean|Wash|Tidy] a {n}",
                "[the {n} [in|at] {x} is a mess|there are stains on the {n} [in|at] {x}|get the dirt off the {n} [in|at] {x}]"),
        command("[清洁|打扫]{n}", "[{x}的{n}脏得不像话|{x}的{n}上全是灰|把{x}的{n}弄干净]"),
    ),
    Act(
        ("refill_{n}", "fill_{n}", "restock_{n}"), "place",
        command("[Fill|Refill|Restock] a {n}",
                "[the {n} [in|at] {x} is empty|there is nothing left in the {n} [in|at] {x}|top up the {n} [in|at] {x}]"),
        command("[装满|补充]{n}", "[{x}的{n}空了|{x}的{n}里什么都没剩|给{x}的{n}补上]"),
    ),
    Act(
        ("move_{n}", "transfer_{n}", "relocate_{n}"), "place",
        command("[Move|Transfer] a {n} to another place",
                "[the {n} belongs in {x}|take the {n} over to {x}|I want to see the {n} in {x}|from now on the {n} lives in {x}]"),
        command("[移动|转移]{n}", "[{n}该放在{x}|把{n}挪到{x}去|以后{n}就在{x}了]"),
    ),
    Act(
        ("vote_{n}", "{n}_vote", "rate_{n}"), "title",
        command("[Vote for|Rate] a {n}", "[I am for {x}|{x} is the best of them|my voice goes to {x}|give {x} my mark]"),
        command("[投票|评价]{n}", "[我支持{x}|{x}最好|这一票给{x}]"),
    ),
    Act(
        ("print_{n}", "{n}_on_paper"), "path",
        command("[Print|Put on paper] a {n}", "[I want to hold {x} in my hands|let me have {x} on paper|give me a sheet of {x}]"),
        command("[打印|输出]{n}", "[{x}出一份纸的|我要纸质的{x}|把{x}弄到纸上]"),
    ),
    Act(
        ("download_{n}", "fetch_{n}", "import_{n}"), "path",
        command("[Download|Fetch|Import] a {n}", "[bring {x} onto this machine|copy {x} over here|I need {x} on my disk]"),
        command("[下载|导入]{n}", "[把{x}弄到这台机器上|{x}拷过来|硬盘上要有{x}]"),
    ),
    Act(
        ("compare_{n}s", "{n}_difference"), "things",
        question(
            "[Compare|Difference between] {n}s",
            "[which is better of|what sets apart|how do they differ,] {x}",
            "[which of {x} I should take|how {x} differ]",
        ),
        question("[比较|对比]几种{n}", "{x}[哪个好|有什么两样|该选哪个|差在哪里]"),
    ),
    Act(
        ("remind_{n}", "{n}_reminder", "{n}_alarm"), "time",
        command("[Remind of|Ring for] a {n} at a time",
                "[tap me on the shoulder at {x}|don't let me miss the {n} at {x}|make a noise at {x}, the {n} begins]"),
        command("[提醒|闹铃]{n}", "[{x}叫我一声，有{n}|别让我错过{x}的{n}|{x}响一下]"),
    ),
    Act(
        ("enrol_{n}", "join_{n}", "sign_up_{n}"), "person",
        command("[Enrol somebody in|Sign somebody up for] a {n}",
                "[{x} wants to take part in the {n}|{x} is coming to the {n}|let {x} into the {n}]"),
        command("[报名|加入]{n}", "[{x}也想参加{n}|{n}算{x}一个|让{x}进{n}]"),
    ),
    Act(
        ("charge_{n}", "pay_{n}", "bill_{n}"), "money",
        command("[Pay|Settle] a {n}", "[I owe {x} for the {n}|the {n} comes to {x}, settle it|hand over {x} for the {n}]"),
        command("[支付|结清]{n}", "[{n}欠{x}块，结了|{n}一共{x}元，付掉|为{n}拿出{x}元]"),
    ),
)  # fmt: skip
