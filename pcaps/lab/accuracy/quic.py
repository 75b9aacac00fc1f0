"""One HTTP/3 request from one address to another: by curl_cffi with Chrome's hello, or by aioquic."""

import asyncio
import ssl
import time
from urllib.parse import urlsplit

from aioquic.h3.connection import H3_ALPN
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from curl_cffi import CurlOpt
from curl_cffi.requests import AsyncSession
from quic_peer import Asking


async def by_chrome(source, address, step):
    """As Chrome says hello; gives what came, as the other ways of `play.py` do."""
    literal = f"[{address}]" if ":" in address else address
    options = {CurlOpt.RESOLVE: [f"{step['name']}:443:{literal}"]}
    async with AsyncSession(verify=False, http_version="v3only", impersonate="chrome", interface=source, timeout=50,
                            curl_options=options) as session:
        start = time.time()
        response = await session.get(f"https://{step['name']}{step['path']}")
        return {"start": start, "end": time.time(), "status": response.status_code, "bytes": len(response.content), "whole": True,
                "port": response.local_port}


async def by_aioquic(source, address, step):
    """The same by aioquic, whose hello may carry any name."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=list(H3_ALPN), verify_mode=ssl.CERT_NONE,
                                      server_name=step.get("sni", step["name"]), max_data=1 << 24, max_stream_data=1 << 24)
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Asking(QuicConnection(configuration=configuration)), local_addr=(source, 0))
    start = time.time()
    protocol.connect((address, 443, 0, 0) if ":" in address else (address, 443))
    await protocol.wait_connected()
    response = protocol.ask(urlsplit(f"https://{step['name']}{step['path']}"))
    await response["done"]
    end = time.time()
    port = transport.get_extra_info("sockname")[1]
    protocol.close()
    await protocol.wait_closed()
    transport.close()
    return {"start": start, "end": end, "status": response["status"], "bytes": response["bytes_received"], "whole": True,
            "port": port}
