"""Many machines behind one address, on Ray Serve (the extra ``cluster``).

What decides is plain code that knows no Ray (``routing``, ``prefixes``), and so are the two ends of the seam:
``service`` where requests come in, ``node`` where they are answered. Ray is imported in ``ray_…`` alone.
"""
