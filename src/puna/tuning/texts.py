"""What the measurements read and answer."""

PROSE = """\
A plateau lies higher than the land around it and is flat on top. The highest of the Andes is called the puna:
grass, salt lakes and a thin, dry air in which the nights are cold all through the year. Herds of llamas and vicuñas
cross it in search of water. The people who live there have learned to dry potatoes in the frost, so that a harvest
keeps for years, and to weave blankets so dense that no wind gets through. Trade went over it for centuries: salt
and wool down to the valleys, maize and coca up to the villages. A caravan of fifty animals walked for two weeks,
fifteen kilometres a day, and every animal carried its own share and nothing more. Today a railway and a few roads
cross the plateau, and the caravans have become rare, but the paths can still be seen from the air as fine lines in
the grass.
高原比周围的土地高,顶部平坦。安第斯山脉最高的高原叫做普纳:那里有草地、盐湖和稀薄干燥的空气,一年四季夜晚都很冷。
羊驼成群地穿过高原寻找水源。住在那里的人学会了在霜冻中晒干土豆,这样收成可以保存很多年。
"""
"""Text to read, in two languages."""

CODE = '''\
def area(width, height):
    """Return the area of a rectangle."""
    if width < 0 or height < 0:
        raise ValueError("a side cannot be negative")
    return width * height


def volume(width, height, depth):
    """Return the volume of a box."""
    if depth < 0:
        raise ValueError("a side cannot be negative")
    return area(width, height) * depth
'''

_LINES = "\n".join(PROSE.splitlines()[:2])
TASKS = {
    "copy": f"Repeat this text word for word, and write nothing else:\n\n{_LINES}",
    "edit": f"Rename the function area to surface in this program, and show the whole program:\n\n```python\n{CODE}```",
    "chat": "Why is the sky blue by day and red in the evening? Explain it to a child.",
}
"""Three questions: one whose answer is there already, one whose answer mostly is, and one whose answer is new."""
