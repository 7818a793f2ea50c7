"""Reports to mdserver: the host keys of this guest, and how its boot ended.

    report keys    the host keys, now
    report end     how the boot ended, now
    report all     each of them when cloud-init has got there

Nothing waits for it, and it fails silently: a boot does not depend on it.
"""
import errno
import glob
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse

HOST, PORT = "@HOST@", int("@PORT@")
STATUS = "/run/cloud-init/status.json"
SNIPPET = "/etc/ssh/sshd_config.d/10-mdserver.conf"
MOST = 60000  # bytes of a report, less than the server takes


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def send(name, body):
    """Sends a report once, from a port that only root can use."""
    for port in range(1023, 511, -1):
        connection = http.client.HTTPConnection(HOST, PORT, timeout=5, source_address=("", port))
        try:
            connection.request("POST", "/mdserver/" + name, body.encode())
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                raise
        finally:
            connection.close()
    return 0, ""


def post(name, body):
    """Sends a report, again if the server is away for a moment."""
    for pause in (1, 2, 4, 8, 16, 32, 0):
        try:
            status, text = send(name, body)
            if status < 500:
                return status, text
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(pause)
    return 0, ""


def key_files():
    """The files of the public host keys, by the type of the key."""
    files = {}
    for path in sorted(glob.glob("/etc/ssh/ssh_host_*_key.pub")):
        words = read(path).split()
        if len(words) >= 2:
            files[words[0]] = path
    return files


def host_keys():
    """Reports the host keys, and takes the certificates that the answer has."""
    files = key_files()
    if not files:
        return
    status, text = post("host-keys", "".join(read(path) for path in files.values()))
    if status not in (200, 204):
        return
    lines = []
    for certificate in text.splitlines():
        kind = certificate.split(" ", 1)[0].replace("-cert-v01@openssh.com", "")
        if kind in files:
            path = re.sub(r"\.pub$", "-cert.pub", files[kind])
            write(path, certificate + "\n")
            lines.append("HostCertificate " + path + "\n")
    configure("".join(lines))


def write(path, text):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def configure(text):
    """Makes sshd present these certificates, if it can, or none."""
    if not os.path.isdir(os.path.dirname(SNIPPET)) or not text and not os.path.exists(SNIPPET):
        return
    if text:
        write(SNIPPET, "# Written by mdserver's report at each boot.\n" + text)
        if subprocess.call(["sshd", "-t"], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}):
            text = ""
    if not text:
        os.unlink(SNIPPET)
    for unit in ("ssh.service", "sshd.service"):  # Debian has both names for one unit
        if subprocess.call(["systemctl", "--no-block", "try-reload-or-restart", unit]) == 0:
            break


def fitting(status):
    """The status, without the rest of long lists and texts if it is too large."""
    if len(status.encode()) <= MOST:
        return status
    try:
        return json.dumps(shortened(json.loads(status)), ensure_ascii=False)
    except ValueError:
        return status


def shortened(value):
    if isinstance(value, str):
        return value[:200]
    if isinstance(value, list):
        return [shortened(item) for item in value[:8]]
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    return value


def end():
    """Reports how the boot ended: cloud-init's status, and what phone_home sends."""
    post("status", fitting(read(STATUS)))
    fields = {
        "instance_id": read("/run/cloud-init/.instance-id").strip(),
        "hostname": socket.gethostname(),
        "fqdn": socket.getfqdn(),
    }
    for name in ("rsa", "ecdsa", "ed25519"):
        fields["pub_key_" + name] = read("/etc/ssh/ssh_host_" + name + "_key.pub").strip()
    post("phone-home", urllib.parse.urlencode({name: value or "N/A" for name, value in fields.items()}))


def wait(stage):
    """Waits until cloud-init has finished a stage."""
    while True:
        try:
            if json.loads(read(STATUS))["v1"][stage]["finished"]:
                return
        except (ValueError, KeyError, TypeError):
            pass
        time.sleep(0.5)


if __name__ == "__main__":
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    what = sys.argv[1]
    if what == "all":
        wait("init")
    if what in ("keys", "all"):
        host_keys()
    if what == "all":
        wait("modules-final")
    if what in ("end", "all"):
        end()
