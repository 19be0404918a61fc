"""Maps of lanes: `VectorMap` with its lane graph, routes, surface, markings and file.

No file format of others is read here."""
