"""Some sixty functions that real applications offer, with questions in both languages.

One line per argument: `name|other name:kind` (kinds of `functions.KINDS`), `?` after the kind when it may be left out,
`=` and `value/english words/chinese words` joined by `;` for a choice.
"""

from __future__ import annotations

from typing import Any

from cria.data.skills.functions import Fn, Param


def _param(text: str) -> Param:
    spec, _, choice = text.partition("=")
    names, kind = spec.split(":")
    optional = kind.endswith("?")
    choices: tuple[tuple[str, str, Any], ...] = ()
    if choice:
        triples = [entry.split("/") for entry in choice.split(";")]
        boolean = {"true": True, "false": False}
        choices = tuple((en.replace("_", " "), zh, boolean.get(value, value)) for value, en, zh in triples)
    return Param(tuple(names.split("|")), kind.rstrip("?"), optional, choices)


def _fn(names: str, group: str, en: str, zh: str, params: str, ask_en: str, ask_zh: str) -> Fn:
    return Fn(
        tuple(names.split("|")),
        group,
        en,
        zh,
        tuple(_param(text) for text in params.split()),
        tuple(ask_en.split("|")),
        tuple(ask_zh.split("|")),
    )


ON_OFF = "=true/on/打开;false/off/关上"

KNOWN = (
    _fn("get_weather|get_current_weather|weather|current_weather", "weather", "Get the current weather for a city", "查询城市现在的天气",
        "city|location|place:city unit|format:unit?=celsius/Celsius/摄氏度;fahrenheit/Fahrenheit/华氏度",
        "What is the weather in {0}?|What's the weather like in {0}?|How is the weather in {0} today?|Is it raining in {0}?|weather {0}"
        "|How warm is it in {0} now?|Tell me the weather in {0} in {1}.|What is the temperature in {0} in {1}?|What is the weather in {0} right now?",
        "{0}天气怎么样？|{0}现在的天气如何？|今天{0}下雨吗？|查一下{0}的天气|{0}现在多少度？|用{1}告诉我{0}的气温|{0}今天天气怎么样？"),
    _fn("get_forecast|weather_forecast|get_weather_forecast", "weather", "Get the weather forecast for the next days", "查询未来几天的天气预报",
        "city|location:city days|num_days:small",
        "What is the forecast for {0} for the next {1} days?|Show me the {1} day forecast for {0}.|How will the weather be in {0} over the next {1} days?",
        "{0}未来{1}天的天气预报|{0}接下来{1}天天气怎么样？|查一下{0}{1}天的天气预报"),
    _fn("get_time|get_current_time|current_time", "time", "Get the current time in a city", "查询城市现在的时间", "city|location|timezone:city",
        "What time is it in {0}?|What is the time in {0}?|Tell me the time in {0}.|Do you know what time it is in {0} now?|time in {0}",
        "{0}现在几点？|{0}现在是什么时间？|告诉我{0}的时间|{0}几点了？"),
    _fn("calculate|calculator|evaluate|compute", "math", "Calculate the value of an expression", "计算表达式的值", "expression|expr|formula:expression",
        "What is {0}?|Calculate {0}.|Compute {0}|How much is {0}?|Work out {0} for me.|{0} = ?",
        "{0}等于多少？|计算{0}|算一下{0}|请帮我算{0}"),
    _fn("add_numbers|add|add_two_numbers", "math", "Add two numbers", "把两个数相加", "a|x|first:int b|y|second:int",
        "Add {0} and {1}.|What is {0} plus {1}?|What is the sum of {0} and {1}?|Please add {0} to {1}.", "{0}加{1}等于多少？|把{0}和{1}相加|{0}与{1}的和是多少？"),
    _fn("multiply|multiply_numbers|mul", "math", "Multiply two numbers", "把两个数相乘", "a|x:int b|y:int",
        "Multiply {0} by {1}.|What is {0} times {1}?|What is the product of {0} and {1}?", "{0}乘以{1}等于多少？|计算{0}乘{1}|{0}和{1}的积是多少？"),
    _fn("average|mean|get_average", "math", "Compute the average of a list of numbers", "计算一组数的平均值", "numbers|values:numbers",
        "What is the average of {0}?|Compute the mean of {0}.|Average these numbers: {0}", "{0}的平均值是多少？|计算{0}的平均数|求{0}的平均值"),
    _fn("convert_currency|exchange|currency_convert", "currency", "Convert an amount of money to another currency", "货币换算",
        "amount|value:amount from_currency|from|source:currency to_currency|to|target:currency",
        "Convert {0} {1} to {2}.|How much is {0} {1} in {2}?|What are {0} {1} worth in {2}?|Exchange {0} {1} into {2}", "{0}{1}等于多少{2}？|把{0}{1}换成{2}|{0} {1} 是多少 {2}？"),
    _fn("convert_units|unit_convert|convert_length", "math", "Convert a length to another unit", "长度单位换算",
        "value|amount:amount from_unit|from:u=km/kilometers/公里;m/meters/米;mile/miles/英里;foot/feet/英尺 to_unit|to:u=km/kilometers/公里;m/meters/米;mile/miles/英里;foot/feet/英尺",
        "Convert {0} {1} to {2}.|How many {2} are {0} {1}?|What is {0} {1} in {2}?", "{0}{1}是多少{2}？|把{0}{1}换算成{2}"),
    _fn("web_search|search|search_web|google_search", "search", "Search the web", "在网上搜索", "query|q|text:topic",
        "Search the web for {0}.|Search for {0}|Look up {0} online.|Find information about {0} on the web.|Google {0}", "搜索{0}|在网上查一下{0}|帮我搜一下{0}|上网搜索{0}"),
    _fn("get_news|news|latest_news|search_news", "search", "Get the latest news about a topic", "查询某个主题的最新新闻", "topic|query:topic limit|count:small?",
        "What is the latest news about {0}?|Show me news on {0}.|Give me {1} news stories about {0}.|Any news about {0}?", "有关{0}的最新新闻|给我看{1}条关于{0}的新闻|{0}有什么新闻？"),
    _fn("wikipedia|search_wikipedia|wiki_lookup", "search", "Look up an article in Wikipedia", "查询维基百科条目", "title|article:noun",
        "Look up {0} in Wikipedia.|What does Wikipedia say about {0}?|Open the Wikipedia article on {0}.", "在维基百科查{0}|维基百科怎么说{0}？|打开{0}的维基百科条目"),
    _fn("send_email|send_mail|email", "message", "Send an e-mail", "发送电子邮件", "to|recipient|address:email subject|title:phrase body|text|message:phrase?",
        "Send an email to {0} with the subject {1}.|Write to {0}, subject {1}, text {2}.|Email {0} with subject {1} and body {2}.|Send {0} a mail with the title {1} saying {2}",
        "给{0}发邮件，主题是{1}|发一封邮件到{0}，主题{1}，内容{2}|写邮件给{0}，标题{1}，正文{2}"),
    _fn("read_emails|list_emails|get_inbox", "email", "List the newest e-mails of the inbox", "列出收件箱里最新的邮件", "count|limit|n:small",
        "Show me my last {0} emails.|List the newest {0} emails.|Read me the last {0} mails in my inbox.", "列出最新的{0}封邮件|看看我最近的{0}封邮件"),
    _fn("send_message|send_sms|text_message", "message", "Send a text message to a person", "给某人发短信", "to|person|contact:person text|message|body:phrase",
        "Send {0} the message {1}.|Text {0}: {1}|Tell {0} {1}.|Send a message to {0} saying {1}.", "给{0}发短信：{1}|发消息给{0}，内容是{1}|告诉{0}{1}"),
    _fn("call_person|make_call|phone_call|call", "message", "Call a phone number", "拨打电话", "number|phone:phone", "Call {0}.|Please dial {0}.|Make a call to {0}|Phone {0} for me.", "拨打{0}|打电话给{0}|帮我拨{0}"),
    _fn("create_event|add_event|create_calendar_event|schedule_meeting", "calendar", "Create an event in the calendar", "在日历里新建日程",
        "title|name|summary:phrase date|day:date time|start:time?", "Create an event {0} on {1}.|Add {0} to my calendar on {1} at {2}.|Put {0} in the calendar for {1}.|Schedule {0} on {1} at {2}.",
        "在{1}新建日程{0}|把{0}加到{1} {2}的日历|{1} {2}安排{0}"),
    _fn("list_events|get_events|get_calendar", "calendar", "List the events of a day", "列出某一天的日程", "date|day:date", "What is in my calendar on {0}?|List my events on {0}.|Do I have anything planned on {0}?|Show my schedule for {0}.", "{0}我有什么安排？|列出{0}的日程|看看{0}的日历"),
    _fn("invite_people|create_meeting|invite|set_up_meeting", "calendar", "Set up a meeting with several people", "和几个人安排会议", "attendees|people|names:names time|at|start:time",
        "Set up a meeting with {0} at {1}.|Invite {0} to a meeting at {1}.|Arrange a meeting at {1} with {0}.", "安排{1}和{0}开会|邀请{0}在{1}开会|{1}和{0}开个会"),
    _fn("set_reminder|create_reminder|remind|add_reminder", "calendar", "Set a reminder", "设置提醒", "text|message|title:phrase time|at|when:time",
        "Remind me at {1}: {0}|Set a reminder {0} for {1}.|At {1} remind me of {0}.|Create a reminder at {1} that says {0}.", "{1}提醒我{0}|设置{1}的提醒：{0}|在{1}提醒我{0}"),
    _fn("set_alarm|create_alarm|alarm", "calendar", "Set an alarm clock", "设置闹钟", "time|at:time", "Wake me up at {0}.|Set an alarm for {0}.|Set my alarm clock to {0}", "{0}叫我起床|设一个{0}的闹钟|把闹钟定在{0}"),
    _fn("set_timer|start_timer|timer", "calendar", "Start a timer", "开始计时", "minutes|duration:minutes", "Set a timer for {0} minutes.|Start a {0} minute timer.|Count down {0} minutes.|Timer: {0} minutes", "定时{0}分钟|设一个{0}分钟的计时器|倒计时{0}分钟"),
    _fn("read_file|open_file|load_file|cat", "file", "Read a file", "读取文件", "path|file|filename|file_path:file", "Read the file {0}.|Show me {0}.|What is in {0}?|Open {0}|Print the content of {0}.", "读取文件{0}|打开{0}|{0}里面写了什么？|看看{0}的内容"),
    _fn("write_file|save_file|create_file", "file", "Write text to a file", "把文字写入文件", "path|file|filename:file content|text:phrase", "Write {1} to {0}.|Save {1} in the file {0}.|Create the file {0} with the text {1}.|Put {1} into {0}", "把{1}写入{0}|新建文件{0}，内容是{1}|将{1}保存到{0}"),
    _fn("delete_file|remove_file|rm", "file", "Delete a file", "删除文件", "path|file|filename:file", "Delete {0}.|Remove the file {0}.|Please delete the file {0}", "删除{0}|把文件{0}删掉|请删除文件{0}"),
    _fn("list_files|list_directory|ls", "file", "List the files in a folder", "列出文件夹里的文件", "path|directory|folder:pseudo", "List the files in {0}.|What files are in the folder {0}?|Show the folder {0}.", "列出{0}里的文件|文件夹{0}里有什么？|看看{0}目录"),
    _fn("rename_file|move_file|mv", "file", "Rename a file", "重命名文件", "source|old|from:file target|new|to:file", "Rename {0} to {1}.|Move {0} to {1}.|Please rename the file {0} to {1}.", "把{0}重命名为{1}|将{0}移动到{1}"),
    _fn("set_light|switch_light|control_light|light", "light", "Switch the light of a room on or off", "打开或关上房间的灯", f"room|location:room on|state:b{ON_OFF}",
        "Turn {1} the light in the {0}.|Switch the {0} light {1}.|Turn the lights in the {0} {1}.|Lights {1} in the {0}", "{1}{0}的灯|请{1}{0}的灯|帮我{1}{0}的灯"),
    _fn("set_brightness|dim_light", "light", "Set the brightness of a light in percent", "设置灯的亮度", "room|location:room level|brightness|percent:percent", "Set the brightness in the {0} to {1} percent.|Dim the {0} light to {1}%.|Set the {0} light to {1}%.", "把{0}的灯调到{1}%|{0}的亮度设为{1}%|将{0}灯光亮度调到{1}"),
    _fn("set_temperature|set_thermostat|heating", "heating", "Set the temperature of a room", "设置房间的温度", "room|location:room degrees|temperature:small", "Set the {0} to {1} degrees.|Heat the {0} to {1} degrees.|Make it {1} degrees in the {0}.", "把{0}的温度设为{1}度|{0}调到{1}度|将{0}加热到{1}度"),
    _fn("lock_door|set_lock|door_lock", "door", "Lock or unlock a door", "锁门或开锁", "door|room:room locked|lock:b=true/Lock/锁上;false/Unlock/打开", "{1} the {0} door.|{1} the door of the {0}.", "{1}{0}的门|请{1}{0}的门锁"),
    _fn("play_music|play_song|play", "music", "Play a song", "播放歌曲", "title|song|name:title artist|singer:person?", "Play {0}.|Play the song {0} by {1}.|I want to hear {0} by {1}.|Put on {0} by {1}|Please play {0}", "播放{0}|播放{1}的{0}|我想听{1}的{0}|放一首{0}"),
    _fn("set_volume|volume", "volume", "Set the volume in percent", "设置音量", "level|volume|percent:percent", "Set the volume to {0}.|Volume {0}%|Turn the volume to {0} percent.|Change the volume to {0}%.", "音量调到{0}|把音量设为{0}%|声音调到{0}"),
    _fn("create_playlist|new_playlist", "music", "Create a playlist of songs", "新建歌单", "name|title:title", "Create a playlist called {0}.|Make a new playlist named {0}.|New playlist {0}", "新建歌单{0}|创建一个叫{0}的歌单"),
    _fn("translate|translate_text", "translate", "Translate a text into another language", "把文字翻译成另一种语言", "text|content:phrase target|language|to|target_language:language",
        "Translate {0} into {1}.|What is {0} in {1}?|How do you say {0} in {1}?|Please translate {0} to {1}.", "把{0}翻译成{1}|{0}用{1}怎么说？|将{0}译成{1}"),
    _fn("get_stock_price|stock_price|get_quote", "stock", "Get the price of a stock", "查询股票价格", "symbol|ticker|stock:id", "What is the stock price of {0}?|How much is one share of {0}?|Get the quote for {0}.|What does the stock {0} cost?", "{0}的股价是多少？|查一下股票{0}|{0}股票现在多少钱？"),
    _fn("buy_stock|place_order|buy_shares", "stock", "Buy shares of a stock", "买入股票", "symbol|ticker:id quantity|shares|amount:small", "Buy {1} shares of {0}.|Purchase {1} shares of {0}.|I want to buy {1} shares of {0}.", "买入{1}股{0}|买{1}股{0}|我要买{1}股{0}"),
    _fn("get_directions|get_route|route|navigate", "maps", "Find the way from one place to another", "查询两地之间的路线", "origin|from|start:city destination|to|end:city mode:m?=car/by_car/开车;train/by_train/坐火车;bike/by_bike/骑车;walk/on_foot/步行",
        "How do I get from {0} to {1}?|Show me the way from {0} to {1} {2}.|Directions from {0} to {1}|I want to travel from {0} to {1} {2}.", "从{0}到{1}怎么走？|从{0}{2}去{1}怎么走？|查一下{0}到{1}的路线"),
    _fn("get_distance|distance", "maps", "Get the distance between two cities", "查询两城之间的距离", "city_a|from|a:city city_b|to|b:city", "How far is it from {0} to {1}?|What is the distance between {0} and {1}?|distance {0} {1}", "{0}到{1}有多远？|{0}和{1}之间的距离是多少？"),
    _fn("find_restaurant|search_restaurants|find_restaurants", "restaurant", "Find restaurants in a city", "在城市里找餐厅", "city|location:city food|cuisine|dish:food", "Find a restaurant with {1} in {0}.|Where can I eat {1} in {0}?|I want {1} in {0}. Which restaurants are there?", "{0}哪里可以吃{1}？|在{0}找一家有{1}的餐厅|我想在{0}吃{1}"),
    _fn("book_table|reserve_table|make_reservation", "restaurant", "Book a table in a restaurant", "在餐厅订位", "restaurant|name:title people|guests:small time|at:time", "Book a table at {0} for {1} people at {2}.|Reserve a table for {1} at {0} at {2}.", "在{0}订{2}{1}个人的位子|预订{0}，{1}人，{2}"),
    _fn("book_flight|search_flights|find_flights", "flight", "Find flights between two cities on a date", "查询航班", "origin|from:city destination|to:city date|day:date", "Find flights from {0} to {1} on {2}.|Book a flight from {0} to {1} on {2}.|I want to fly from {0} to {1} on {2}.", "查{2}从{0}到{1}的航班|订一张{2}从{0}飞{1}的机票|{2}从{0}飞往{1}"),
    _fn("book_hotel|find_hotel|search_hotels", "hotel", "Find a hotel in a city", "在城市里找酒店", "city|location:city nights|days:small", "Find a hotel in {0} for {1} nights.|Book a hotel in {0} for {1} nights.|I need a room in {0} for {1} nights.", "在{0}订{1}晚酒店|找一家{0}的酒店，住{1}晚"),
    _fn("get_order|order_status|track_order|get_order_status", "order", "Get the status of an order", "查询订单状态", "order_id|id|number:id", "Where is my order {0}?|What is the status of order {0}?|Track order {0}.|Has order {0} been shipped?", "订单{0}到哪了？|查一下订单{0}的状态|订单{0}发货了吗？"),
    _fn("cancel_order|delete_order", "order", "Cancel an order", "取消订单", "order_id|id|number:id", "Cancel order {0}.|Please cancel my order {0}.|I no longer want order {0}, cancel it.", "取消订单{0}|请帮我取消订单{0}"),
    _fn("add_to_cart|order_product|buy|add_item", "shop", "Put a product into the shopping cart", "把商品放进购物车", "product|item|name:product quantity|count|amount:small", "Add {1} {0} to my cart.|Put {1} {0} into the shopping cart.|I want to buy {1} {0}.", "把{1}个{0}加入购物车|买{1}个{0}|我要{1}个{0}"),
    _fn("get_price|product_price|check_price", "shop", "Get the price of a product", "查询商品价格", "product|item|name:product", "How much is the {0}?|What does a {0} cost?|Price of the {0}?|Tell me the price of the {0}.", "{0}多少钱？|查一下{0}的价格|{0}卖多少钱？"),
    _fn("shopping_list|add_shopping_items|add_to_list", "shop", "Add things to the shopping list", "添加到购物清单", "items|things:goods", "Put {0} on my shopping list.|Add {0} to the shopping list.|I need to buy {0}; note it on the list.", "把{0}加到购物清单|购物清单上加上{0}"),
    _fn("query_database|run_query|sql_query", "database", "Count the rows of a database table", "统计数据库表的行数", "table|table_name:pseudo", "How many rows does the table {0} have?|Count the rows in table {0}.|Query the table {0}.", "表{0}有多少行？|统计表{0}的行数|查询数据表{0}"),
    _fn("get_user|find_user|lookup_user", "user", "Get a user by number", "按编号查询用户", "user_id|id:big", "Who is user {0}?|Show me user {0}.|Get the user with the id {0}.", "用户{0}是谁？|查询用户{0}|编号{0}的用户是谁？"),
    _fn("create_user|add_user|register_user", "user", "Create a user account", "新建用户", "name|username:person email|mail:email admin|is_admin:b?=true/an_admin/管理员;false/a_normal_user/普通用户", "Create a user {0} with the email {1}.|Register {0} ({1}).|Add {0}, email {1}, as {2}.", "新建用户{0}，邮箱{1}|注册{0}（{1}）|添加{0}，邮箱{1}，身份是{2}"),
    _fn("git_commit|commit", "git", "Commit the changes with a message", "提交更改", "message|msg:phrase", "Commit with the message {0}.|Commit my changes as {0}.|git commit, message {0}", "提交更改，说明是{0}|用说明{0}提交"),
    _fn("git_checkout|checkout_branch|switch_branch", "git", "Switch to a git branch", "切换 git 分支", "branch|name:pseudo", "Check out the branch {0}.|Switch to branch {0}.|Go to the git branch {0}.", "切换到分支{0}|检出分支{0}"),
    _fn("pull_model|download_model|pull", "model", "Download a model", "下载模型", "model|name:model", "Pull {0}.|Download the model {0}.|Get me the model {0}.|Please pull {0}", "下载模型{0}|拉取{0}|请拉取模型{0}"),
    _fn("delete_model|remove_model", "model", "Delete a model", "删除模型", "model|name:model", "Delete the model {0}.|Remove the model {0}.|I don't need the model {0} any more, delete it.", "删除模型{0}|把模型{0}删掉"),
    _fn("show_model|model_info|get_model_info", "model", "Show details of a model", "显示模型的详情", "model|name:model", "Show me details of the model {0}.|What do you know about the model {0}? Show its details.|Model info for {0}", "显示模型{0}的详情|看看模型{0}的信息"),
    _fn("create_note|add_note|save_note|take_note", "calendar", "Save a note", "保存笔记", "text|content|note:phrase", "Take a note: {0}|Save the note {0}.|Note down {0}.|Write a note that says {0}", "记下{0}|保存笔记{0}|写一条笔记：{0}"),
    _fn("get_contact|find_contact|lookup_contact", "user", "Get the phone number of a person", "查询联系人电话", "name|person|contact:person", "What is the phone number of {0}?|Find {0} in my contacts.|How can I reach {0}?", "{0}的电话是多少？|在通讯录里找{0}|怎么联系{0}？"),
    _fn("roll_dice|random_number|get_random_number", "random", "Get a random number in a range", "生成随机数", "min|low|minimum:small max|high|maximum:int", "Give me a random number between {0} and {1}.|Pick a number from {0} to {1}.|Random number {0} to {1}", "给我一个{0}到{1}之间的随机数|从{0}到{1}随机选一个数"),
    _fn("open_app|launch_app|start_app", "app", "Open an app", "打开应用", "app|name:title", "Open the app {0}.|Launch {0}.|Start the {0} app.", "打开应用{0}|启动{0}|运行{0}应用"),
    _fn("run_command|execute|run_program", "app", "Run a program with a number of threads", "用若干线程运行程序", "program|command:pseudo threads|workers:small", "Run {0} with {1} threads.|Execute {0} using {1} threads.", "用{1}个线程运行{0}|运行{0}，线程数{1}"),
    _fn("resize_image|scale_image", "image", "Change the size of a picture", "调整图片大小", "file|path|image:file width|w:int height|h:int", "Resize {0} to {1} by {2}.|Scale the picture {0} to {1}x{2}.|Make {0} {1} pixels wide and {2} high.", "把{0}调整为{1}x{2}|将图片{0}缩放到宽{1}高{2}"),
    _fn("get_air_quality|air_quality", "weather", "Get the air quality of a city", "查询空气质量", "city|location:city", "How is the air quality in {0}?|What is the air quality in {0}?|Is the air clean in {0}?", "{0}的空气质量怎么样？|查询{0}空气质量|{0}空气好吗？"),
    _fn("get_population|population|city_population", "population", "Get the number of people who live in a city", "查询城市人口", "city|place:city", "How many people live in {0}?|What is the population of {0}?|population of {0}", "{0}有多少人口？|{0}的人口是多少？|多少人住在{0}？"),
    _fn("transfer_money|send_money|pay", "bank", "Send money to a person", "转账", "to|recipient|person:person amount|sum:amount", "Send {1} dollars to {0}.|Transfer {1} to {0}.|Pay {0} {1} dollars.", "给{0}转{1}元|转账{1}元给{0}|付给{0}{1}元"),
    _fn("get_balance|account_balance", "bank", "Get the balance of an account", "查询账户余额", "account|account_id:id", "What is the balance of account {0}?|How much money is on the account {0}?|Show the balance of {0}.", "账户{0}的余额是多少？|查询账户{0}余额|{0}账户还有多少钱？"),
    _fn("get_time_now|now|get_current_datetime", "time", "Get the present date and time", "取得现在的日期和时间", "", "What time is it?|What is the date today?|Tell me the current time.|What day is it today?|time now", "现在几点？|今天几号？|现在是什么时间？|今天是星期几？"),
    _fn("get_joke|tell_joke|random_joke", "joke", "Get a joke", "讲一个笑话", "", "Tell me a joke.|Make me laugh.|I want to hear a joke.|Do you have a joke for me?", "讲个笑话|给我说个笑话吧|我想听笑话"),
)
