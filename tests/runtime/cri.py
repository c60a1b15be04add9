#!/usr/bin/env python3
"""Asks a container runtime what kubelet asks it, through the Container Runtime Interface.

Prints one JSON document. On failure prints "CODE: message" of the gRPC error to stderr and exits with 1.
"""

import argparse
import json
import os
import sys

# The generated code is found beside cri.proto, from whatever directory this is started.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict

cri = grpc.protos("cri.proto")
services = grpc.services("cri.proto")


def run(runtime, options):
    """Starts a pod's sandbox, as kubelet does before any container of the pod."""
    metadata = cri.PodSandboxMetadata(
        name=options.name,
        uid=options.uid or options.name,
        namespace=options.namespace,
        attempt=options.attempt,
    )
    namespaces = cri.NamespaceOption(network=cri.NODE if options.host_network else cri.POD)
    linux = cri.LinuxPodSandboxConfig(
        cgroup_parent=options.cgroup_parent,
        security_context=cri.LinuxSandboxSecurityContext(namespace_options=namespaces),
    )
    config = cri.PodSandboxConfig(
        metadata=metadata,
        port_mappings=[port_mapping(pair) for pair in options.host_port],
        annotations=dict(pair.split("=", 1) for pair in options.annotation),
        linux=linux,
    )
    request = cri.RunPodSandboxRequest(config=config)
    return {"id": runtime.RunPodSandbox(request, timeout=options.timeout).pod_sandbox_id}


def port_mapping(pair):
    """A TCP port of the host that leads to one of the pod, from HOST-PORT:POD-PORT."""
    host, pod = pair.split(":")
    return cri.PortMapping(host_port=int(host), container_port=int(pod))


def start_container(runtime, options):
    """Starts the container of this description in a sandbox of its own, as kubelet does: {"sandbox": ..., "container": ...}."""
    with open(options.description, encoding="utf-8") as file:
        description = json.load(file)
    sandbox = ParseDict(description["sandbox"], cri.PodSandboxConfig())
    request = cri.RunPodSandboxRequest(config=sandbox)
    sandbox_id = runtime.RunPodSandbox(request, timeout=options.timeout).pod_sandbox_id
    config = ParseDict(description["container"], cri.ContainerConfig())
    request = cri.CreateContainerRequest(pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox)
    container = runtime.CreateContainer(request, timeout=options.timeout).container_id
    runtime.StartContainer(cri.StartContainerRequest(container_id=container), timeout=options.timeout)
    return {"sandbox": sandbox_id, "container": container}


def stop_container(runtime, options):
    """Sends the container SIGTERM and, after the grace period, SIGKILL."""
    request = cri.StopContainerRequest(container_id=options.id, timeout=options.grace)
    runtime.StopContainer(request, timeout=options.timeout + options.grace)
    return {}


def container(runtime, options):
    """What has become of a container."""
    request = cri.ContainerStatusRequest(container_id=options.id)
    return as_json(runtime.ContainerStatus(request, timeout=options.timeout).status)


def stop(runtime, options):
    """Stops a sandbox and takes its network down."""
    request = cri.StopPodSandboxRequest(pod_sandbox_id=options.id)
    runtime.StopPodSandbox(request, timeout=options.timeout)
    return {}


def remove(runtime, options):
    """Removes a sandbox, stopping it first where it still runs."""
    request = cri.RemovePodSandboxRequest(pod_sandbox_id=options.id)
    runtime.RemovePodSandbox(request, timeout=options.timeout)
    return {}


def status(runtime, options):
    """The runtime's conditions (RuntimeReady, NetworkReady) and the network configurations in use."""
    response = runtime.Status(cri.StatusRequest(verbose=True), timeout=options.timeout)
    loaded = json.loads(response.info.get("cniconfig", "null")) or {}
    return {
        "conditions": {condition.type: as_json(condition) for condition in response.status.conditions},
        "networks": [network["Config"]["Source"] for network in loaded.get("Networks") or []],
    }


def list_(runtime, options):
    """All sandboxes that the runtime knows."""
    items = runtime.ListPodSandbox(cri.ListPodSandboxRequest(), timeout=options.timeout).items
    return [as_json(item) for item in items]


def pod_ip(runtime, options):
    """A sandbox's addresses as the runtime reports them, and the path of its network namespace."""
    request = cri.PodSandboxStatusRequest(pod_sandbox_id=options.id, verbose=True)
    response = runtime.PodSandboxStatus(request, timeout=options.timeout)
    network = response.status.network
    return {
        "ip": network.ip,
        "additionalIps": [item.ip for item in network.additional_ips],
        "netns": network_namespace(json.loads(response.info.get("info", "{}"))),
    }


def network_namespace(info):
    """The path of the network namespace in containerd's verbose information; None where it is gone."""
    spec = info.get("runtimeSpec") or {}
    for namespace in spec.get("linux", {}).get("namespaces", []):
        if namespace["type"] == "network":
            return namespace.get("path")
    return None


def as_json(message):
    return MessageToDict(message, always_print_fields_with_no_presence=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--socket", default="/run/containerd/containerd.sock", help="default: %(default)s")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function):
        sub = commands.add_parser(name, help=function.__doc__)
        sub.add_argument("--timeout", type=float, default=60, metavar="SECONDS", help="this call's deadline")
        sub.set_defaults(function=function)
        return sub

    sub = command("run", run)
    sub.add_argument("name")
    sub.add_argument("--namespace", default="default")
    sub.add_argument("--uid", help="default: the name")
    sub.add_argument("--attempt", type=int, default=0)
    sub.add_argument("--annotation", action="append", default=[], metavar="KEY=VALUE")
    sub.add_argument("--cgroup-parent", default="")
    sub.add_argument("--host-network", action="store_true")
    sub.add_argument("--host-port", action="append", default=[], metavar="HOST-PORT:POD-PORT")
    for name, function in (("stop", stop), ("remove", remove), ("pod-ip", pod_ip)):
        command(name, function).add_argument("id")
    command("start-container", start_container).add_argument("description")
    sub = command("stop-container", stop_container)
    sub.add_argument("id")
    sub.add_argument("--grace", type=int, default=30, metavar="SECONDS")
    command("container", container).add_argument("id")
    command("status", status)
    command("list", list_)
    return parser.parse_args()


def main():
    options = parse_arguments()
    with grpc.insecure_channel(f"unix:{options.socket}") as channel:
        try:
            answer = options.function(services.RuntimeServiceStub(channel), options)
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
