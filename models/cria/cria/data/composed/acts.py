"""What functions are for: opening hours, states, prices, timetables, bookings, and what is done to things."""

from cria.data.composed.act import Act, command, question
from cria.data.composed.acts_daily import DAILY

ACTS: tuple[Act, ...] = (
    *DAILY,
    Act(
        ("get_{n}_hours", "{n}_opening_hours", "{n}_hours"), "place",
        question(
            "[Opening hours of|When one can visit|At what times one may enter] a {n}",
            "[when does|until when does|how late does|from when does] the {n} [in|of|at] {x} [open|close|let people in]",
            "[when|until when|how long|how late] the {n} [in|of|at] {x} is open",
        ),
        question("[查询|看]{n}的[开放|营业]时间", "{x}的{n}[几点开门|几点关门|开到几点|什么时候开|今天开不开]"),
    ),
    Act(
        ("{n}_status", "check_{n}", "get_{n}_state"), "code",
        question(
            "[Tell|Look up|Find out] the [state|condition|progress] of a {n}",
            "[how is|what has become of|is anything wrong with|what is the matter with] {n} {x}",
            "[how {n} {x} is doing|what happened to {n} {x}|how far {n} {x} has come]",
        ),
        question("[查询|查看]{n}的[状态|进度|情况]", "{n}{x}[怎么样了|到哪一步了|出什么事了|还好吗|弄完没有]"),
    ),
    Act(
        ("get_{n}_price", "{n}_cost", "quote_{n}"), "title",
        question(
            "[Price|Cost] of a {n}",
            "[how much is|what do they want for|how expensive is|what would I pay for] [the {n}|a {n} called] {x}",
            "[what {x} costs|how much money {x} is|how dear the {n} {x} is]",
        ),
        question("[查询|报出]{n}的价格", "{x}[这个{n}|][多少钱|卖多少|贵不贵|得花多少]"),
    ),
    Act(
        ("find_{n}", "search_{n}s", "locate_{n}"), "place",
        command("[Find|Look for|Search] a {n} [near a place|in a town]",
                 "[find|get|look for|show] [me |us |]a [good |nearby |cheap |]{n} [in|near|around] {x}"),
        command("[查找|搜索]附近的{n}", "[在{x}找一个|看看{x}有没有|找找{x}附近的]{n}"),
    ),
    Act(
        ("{n}_schedule", "next_{n}", "{n}_times"), "place",
        question(
            "[When the next|Timetable of the] {n} [goes|leaves|comes]",
            "[when is there a|what time is the next|when can I catch a] {n} [to|for|at] {x}",
            "[when the {n} to {x} goes|at what time I get a {n} to {x}|when I can be in {x} by {n}]",
        ),
        question("查询{n}的[时刻|班次]", "[去|到]{x}的{n}[几点有|什么时候走|还有几班|最早是几点]"),
    ),
    Act(
        ("book_{n}", "reserve_{n}", "{n}_reservation"), "person",
        command("[Book|Reserve] a {n} for somebody",
                 "[get {x} a {n}|arrange a {n} for {x}|make sure {x} has a {n}|put {x} down for a {n}]"),
        command("[预订|预约]{n}", "[给{x}订一个|替{x}安排|帮{x}约一下]{n}"),
    ),
    Act(
        ("send_{n}", "deliver_{n}", "hand_over_{n}"), "person",
        command("[Send|Deliver|Hand] a {n} to somebody",
                 "[let {x} have the {n}|get the {n} to {x}|see that {x} gets the {n}|post {x} the {n}]"),
        command("把{n}[寄给|送给|交给]某人", "[把{n}给{x}送去|让{x}收到{n}|{n}寄到{x}那里]"),
    ),
    Act(
        ("feed_{n}", "{n}_feeding", "give_{n}_food"), "person",
        command("[Feed|Give food to] a {n}",
                 "[give {x} something to eat|fill {x}'s bowl|let {x} have supper|see to {x}'s breakfast]"),
        command("[喂|给]{n}[食物|吃的]", "[给{x}弄点吃的|{x}饿了，喂一下|把{x}的碗装满|让{x}吃饱]"),
    ),
    Act(
        ("start_{n}", "run_{n}", "launch_{n}", "{n}_on"), "title",
        command("[Start|Launch|Switch on] a {n}", "[get {x} going|fire up {x}|start {x} up|set {x} running|begin with {x}]"),
        command("[启动|打开|开始]{n}", "[把{x}开起来|让{x}跑起来|{x}可以开始了|{x}弄起来]"),
    ),
    Act(
        ("stop_{n}", "halt_{n}", "cancel_{n}", "{n}_off"), "title",
        command("[Stop|Cancel|Switch off] a {n}", "[put an end to {x}|call {x} off|no more of {x}|let {x} rest|forget about {x}]"),
        command("[停止|取消|关闭]{n}", "[把{x}停掉|{x}不要了|别再{x}了|{x}到此为止]"),
    ),
    Act(
        ("add_{n}", "register_{n}", "record_{n}", "log_{n}"), "title",
        command("[Add|Record|Register] a {n} [in the list|in the diary|in a file]",
                 "[put {x} down|write {x} into the book|note {x}|mark {x} as new|keep track of {x}]"),
        command("[添加|登记|记录]{n}", "[把{x}记下来|{x}写进去|把{x}列上|{x}加上]"),
    ),
    Act(
        ("remove_{n}", "delete_{n}", "discard_{n}"), "code",
        command("[Remove|Delete|Throw away] a {n}", "[get rid of {n} {x}|{n} {x} must go|clear {n} {x} away|drop {n} {x}]"),
        command("[删除|移除|丢掉]{n}", "[{n}{x}不要了|把{n}{x}清掉|{n}{x}扔了]"),
    ),
    Act(
        ("describe_{n}", "show_{n}", "{n}_picture", "{n}_info"), "thing",
        question(
            "[Facts about|A picture of|Details of] a {n}",
            "[what does the {n} {x} look like|what is special about the {n} {x}|what kind of {n} is {x}]",
            "[what the {n} {x} looks like|what there is to know about {x}|what makes the {n} {x} special]",
        ),
        question("[介绍|显示]一种{n}", "{x}[外形如何|是什么样的{n}|有什么特别的|有哪些特点]"),
    ),
    Act(
        ("set_{n}", "adjust_{n}", "change_{n}"), "thing",
        command("[Set|Adjust|Change] the {n}", "[the {n} should be {x}|make the {n} {x}|turn the {n} to {x}|I prefer the {n} {x}]"),
        command("[设置|调整]{n}", "[{n}改成{x}|{n}换成{x}的|把{n}弄成{x}]"),
    ),
    Act(
        ("who_{n}", "{n}_owner", "{n}_contact"), "code",
        question(
            "[Who|Which person] [owns|looks after] a {n}",
            "[whose is {n} {x}|who takes care of {n} {x}|whom do I ask about {n} {x}]",
            "[whose {n} {x} is|who is behind {n} {x}]",
        ),
        question("[查|找]{n}的[主人|负责人]", "{n}{x}[是谁的|归谁管|该找谁]"),
    ),
    Act(
        ("repair_{n}", "fix_{n}", "service_{n}"), "place",
        command("[Repair|Mend|Have somebody look at] a {n}",
                 "[the {n} [in|at] {x} is broken, sort it out|get the {n} [in|at] {x} to work again|see to the {n} [in|at] {x}]"),
        command("[维修|修理]{n}", "[{x}的{n}坏了，弄一下|让{x}的{n}恢复正常|派人看看{x}的{n}]"),
    ),
)  # fmt: skip
