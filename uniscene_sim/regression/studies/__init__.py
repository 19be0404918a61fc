"""Studies: how a driver does over the parameters of a scenario, and where it begins to fail.

Samples of the parameters become cases (`sampling`), each drive gets a signed margin (`margin`), and the boundary
between passing and failing is searched with as few drives as may be (`search`), drawn (`plot`) and told (`report`). Who
drives the cases, in this process or in many, is not known here.
"""
