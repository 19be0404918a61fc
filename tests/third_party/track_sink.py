"""A sink by somebody else: the ego's track as a table."""

from uniscene_sim.errors import InputError


class TrackSink:
    name = "track"

    def __init__(self, out):
        self.out, self.rows = out, ["stamp_us,x,y,yaw"]
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", file=out, argument="out") from error

    @classmethod
    def open(cls, out, facts):
        return cls(out)

    def add(self, frame, stages_ms):
        pose = frame.layout.ego_pose
        self.rows.append(f"{frame.stamp_us},{pose.x:.3f},{pose.y:.3f},{pose.yaw:.5f}")

    def close(self, outcome, tiles):
        (self.out / "track.csv").write_text("\n".join(self.rows) + "\n")
        return [self.out / "track.csv"]

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        """Nothing is written before `close`."""
