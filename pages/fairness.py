"""Fairness: is any group treated differently, by the model or by people?"""

from hitl.ui import frame, segments

frame.require()

# Read
space = frame.workspace()
with frame.errors_shown():
    rows = segments.scored(space) if space.has_segments else None

# Render
frame.heading("Group differences", "Is any group treated differently, by the model or by us?")
if rows is None:
    segments.nothing_compared(space)
elif rows.empty:
    segments.no_person(space)
    segments.nothing_scored(space)
else:
    segments.no_person(space)
    # Act
    segmenting = segments.SEGMENTINGS[segments.choose()]
    segments.known_and_unknown(rows, space)
    with frame.errors_shown():
        model = segments.model_table(rows, segmenting, space)
        people = segments.people_table(rows, segmenting, space)
    segments.sides(model, people, segmenting)
