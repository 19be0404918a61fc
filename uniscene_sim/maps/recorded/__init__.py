"""Maps of recorded streets: lanes where was driven, ground as high and of what it was seen, and what stands on it as
cells. A `RecordedMap` holds the whole static world, so that nothing has to be made up for it."""
