"""Reads user-data as cloud-init does, without a boot.

Input: {"name": user-data in base64}. Output: {"name": {"parts": [[type, text], …],
"config": the cloud-config that all parts make}}.
"""
import base64
import json
import logging
import sys

from cloudinit import handlers, helpers, user_data, util
from cloudinit.handlers.cloud_config import CloudConfigPartHandler

logging.disable(logging.CRITICAL)
paths = helpers.Paths({"cloud_dir": "/tmp/cloud", "run_dir": "/tmp/run"})


def read(data):
    parts = []
    handler = CloudConfigPartHandler(paths)
    handler.handle_part(None, handlers.CONTENT_START, None, None, None, {})
    for part in user_data.UserDataProcessor(paths).process(data).walk():
        if user_data.is_skippable(part):
            continue
        kind = part.get_content_type()
        text = util.fully_decoded_payload(part)
        if isinstance(text, bytes):
            text = text.decode()
        parts.append([kind, text.strip()])
        if kind in ("text/cloud-config", "text/cloud-config-jsonp"):
            handler.handle_part(None, kind, part.get_filename(), text, None, part)
    return {"parts": parts, "config": handler.cloud_buf}


json.dump({name: read(base64.b64decode(data)) for name, data in json.load(sys.stdin).items()}, sys.stdout)
