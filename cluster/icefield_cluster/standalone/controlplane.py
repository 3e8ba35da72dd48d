"""The command lines of the control plane, its readiness, and its roles besides the built-in ones."""

from __future__ import annotations

import ssl
import textwrap

import httpx

from icefield_cluster.commands import Argument, run
from icefield_cluster.programs import binaries
from icefield_cluster.standalone.layout import DNS_DOMAIN, POD_SUBNET, SERVICE_SUBNET, ControlPlaneLayout

# The API server reads logs and opens exec sessions as kube-apiserver-kubelet-client, and the administrator's kubeconfig
# is in the group kubeadm:cluster-admins; kubeadm binds both in a phase that requires static pods.
ROLES = textwrap.dedent(
    """\
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata: {name: "kubeadm:cluster-admins"}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
    subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "kubeadm:cluster-admins"}]
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata: {name: "icefield:kubelet-api"}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:kubelet-api-admin"}
    subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: kube-apiserver-kubelet-client}]
    """
)


def apiserver(layout: ControlPlaneLayout) -> list[Argument]:
    """kube-apiserver, with the flags kubeadm would put into its static pod."""
    pki = layout.pki
    return [
        *layout.enter,
        binaries.find("kube-apiserver"),
        f"--advertise-address={layout.advertised}",
        f"--bind-address={layout.address}",
        f"--secure-port={layout.ports.apiserver}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--enable-bootstrap-token-auth=false",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--etcd-servers=https://127.0.0.1:{layout.ports.etcd}",
        f"--etcd-cafile={pki / 'etcd/ca.crt'}",
        f"--etcd-certfile={pki / 'apiserver-etcd-client.crt'}",
        f"--etcd-keyfile={pki / 'apiserver-etcd-client.key'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--service-account-issuer=https://kubernetes.default.svc.{DNS_DOMAIN}",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--service-cluster-ip-range={SERVICE_SUBNET}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
    ]


def controller_manager(layout: ControlPlaneLayout) -> list[Argument]:
    """kube-controller-manager; without leader election, because it is the only one."""
    pki, kubeconfig = layout.pki, layout.kubeconfigs / "controller-manager.conf"
    return [
        *layout.enter,
        binaries.find("kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.ports.controller_manager}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={POD_SUBNET}",
        f"--service-cluster-ip-range={SERVICE_SUBNET}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'sa.key'}",
    ]


def scheduler(layout: ControlPlaneLayout) -> list[Argument]:
    """kube-scheduler; without leader election, because it is the only one."""
    kubeconfig = layout.kubeconfigs / "scheduler.conf"
    return [
        *layout.enter,
        binaries.find("kube-scheduler"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.ports.scheduler}",
        "--leader-elect=false",
        # A volume claim that is bound while its pod is being scheduled raises no event for the pod. By default, such a
        # pod is not scheduled again for five minutes.
        "--pod-max-in-unschedulable-pods-duration=30s",
    ]


def is_ready(layout: ControlPlaneLayout) -> bool:
    """Whether the API server's /readyz succeeds; its certificate is verified with the cluster's CA."""
    try:
        trust = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        return httpx.get(f"{layout.url}/readyz", verify=trust, timeout=5, trust_env=False).is_success
    except (httpx.HTTPError, OSError):
        return False


def bind_roles(layout: ControlPlaneLayout) -> None:
    """Give the administrator's kubeconfig and the API server's kubelet client their roles.

    Raises:
        ClusterError: kubectl failed.
    """
    super_admin = layout.kubeconfigs / "super-admin.conf"
    run(
        [binaries.find("kubectl"), "--kubeconfig", super_admin, "apply", "--server-side", "-f", "-"],
        stdin=ROLES,
        log=layout.logs / "roles.log",
        timeout=60,
    )
