"""Ground-truth annotations of frames, made on request: optical and scene flow, boxes, lanes.

Their records are defined in `uniscene_sim.frames`; nothing is rendered here but the agents' silhouettes."""
