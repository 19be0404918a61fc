"""Nodes in processes of their own, and a ROS client in this one; each test in a domain of its own."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

try:
    import rclpy
except ImportError:  # the extra ros2 is not installed
    collect_ignore_glob = ["test_*.py"]

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
STACK = Path(__file__).parents[2] / "examples" / "ros2_stack.py"
_domains = itertools.count(os.getpid())


@pytest.fixture
def domain():
    yield from own_domain()


@pytest.fixture
def other_domain():
    yield from own_domain()


def own_domain():
    """A domain that no other test has now, of this session or another one: each is held by a socket of its name."""
    for number in (1 + next(_domains) % 100 for _ in range(100)):
        with socket.socket(socket.AF_UNIX) as held:
            try:
                held.bind(f"\0uniscene-domain-{number}")
            except OSError:
                continue
            yield number
            return
    pytest.fail("all ROS 2 domains from 1 to 100 are taken")


class Process:
    """A child process with a log."""

    def __init__(self, command, domain, log, **environ):
        self.log_path = log
        environ = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONUNBUFFERED": "1", **environ}
        with open(log, "w") as file:
            self.child = subprocess.Popen([*map(str, command)], env=environ, stdout=file, stderr=subprocess.STDOUT)

    @property
    def log(self):
        return self.log_path.read_text()

    def wait(self, seconds=120):
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still runs after {seconds} s:\n{self.log}")

    def until(self, words, seconds=120):
        deadline = time.monotonic() + seconds
        while words not in self.log:
            if self.child.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"never said {words!r}:\n{self.log}")
            time.sleep(0.05)

    def rss_kib(self):
        fields = Path(f"/proc/{self.child.pid}/status").read_text().split("VmRSS:")[1]
        return int(fields.split()[0])

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


@pytest.fixture
def start(tmp_path):
    """`start("node", domain, scenario="cut_in")`, or "stack" or "resets" and the words of their command lines; or
    `start("sh", domain, "-c", ...)`, some other command and what it adds to the environment."""
    running = []

    def begin(what, domain, *words, environ=(), **options):
        scripts = {"stack": STACK, "resets": Path(__file__).with_name("resets.py")}
        command = [sys.executable, scripts[what]] if what in scripts else [what]
        if what == "node":
            command, options = [sys.executable, "-m", "uniscene_ros2.cli"], {"rig": "rl", **options}
        flags = [w for k, v in options.items() if v is not None for w in (f"--{k.replace('_', '-')}", v)]
        log = tmp_path / f"{what}{len(running)}.log"
        running.append(Process([*command, *words, *flags], domain, log, **dict(environ)))
        return running[-1]

    yield begin
    for process in running:
        process.stop()


@pytest.fixture
def run_node(domain):
    """`run_node(scenario="cut_in")` runs a node in a thread of this process; what is lost it soon sends again."""
    from rclpy.signals import SignalHandlerOptions

    from uniscene_ros2.node import UnisceneNode

    rclpy.init(domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    running = []

    def run(**parameters):
        node = UnisceneNode({"scenario": "cut_in", "rig": "rl", "resend_s": 0.3, **parameters})
        thread = threading.Thread(target=node.spin)
        thread.start()
        running.append((node, thread))
        return node

    yield run
    for node, thread in running:
        node.stop()
        thread.join()
        node.destroy_node()
    rclpy.shutdown()


class Client:
    """A ROS node in this process that keeps what it hears."""

    def __init__(self, domain):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("client", context=self.context)
        self.executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.heard = {}

    def listen(self, kind, topic, qos, then=None):
        messages = self.heard.setdefault(topic, [])

        def on(message):
            messages.append(message)
            if then:
                then(message)

        self.node.create_subscription(kind, topic, on, qos)
        return messages

    def spin(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)

    def until(self, condition, seconds=60.0, what="it"):
        """Wait for what must come; how long a busy machine takes for it says nothing."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
            self.executor.spin_once(timeout_sec=0.05)

    def call(self, kind, name, request=None, seconds=60.0):
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, seconds, name)
        future = client.call_async(request or kind.Request())
        self.until(future.done, seconds, name)
        self.node.destroy_client(client)
        return future.result()

    def trigger(self, name):
        from std_srvs.srv import Trigger

        return self.call(Trigger, f"/uniscene/{name}")

    def set(self, **values):
        """The first result of setting parameters at once."""
        from rcl_interfaces.srv import SetParametersAtomically
        from rclpy.parameter import Parameter

        request = SetParametersAtomically.Request()
        request.parameters = [Parameter(k, value=v).to_parameter_msg() for k, v in values.items()]
        return self.call(SetParametersAtomically, "/uniscene/set_parameters_atomically", request).result

    def statuses(self):
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from std_msgs.msg import String

        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        seen = []
        self.listen(String, "/scenario/status", latched, lambda m: seen.append(json.loads(m.data)))
        return seen

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def client(domain):
    one = Client(domain)
    yield one
    one.close()
