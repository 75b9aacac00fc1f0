//! `http`: one record a transaction.

use super::Line;

/// What an `http` record says; byte strings as on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Http<'a> {
    /// Host of the request, without its port.
    pub hostname: Option<&'a [u8]>,
    /// Port in the Host header, where it names one.
    pub port: Option<u16>,
    /// Request target.
    pub url: Option<&'a [u8]>,
    /// User-Agent.
    pub user_agent: Option<&'a [u8]>,
    /// Method.
    pub method: Option<&'a [u8]>,
    /// `HTTP/1.1` or the like.
    pub protocol: Option<&'a [u8]>,
    /// Status code.
    pub status: Option<u16>,
    /// Bytes of the response's body that were seen.
    pub length: u64,
    /// Content-Type, without its parameters.
    pub content_type: Option<&'a [u8]>,
    /// Content-Range.
    pub content_range: Option<ContentRange<'a>>,
}

/// A Content-Range header (RFC 9110 section 14.4).
#[derive(Clone, Copy, Debug, Default)]
pub struct ContentRange<'a> {
    /// As on the wire.
    pub raw: &'a [u8],
    /// First and last byte.
    pub range: Option<(u64, u64)>,
    /// Size of the whole.
    pub size: Option<u64>,
}

impl Http<'_> {
    /// Writes the kind's own object; `drop_query` cuts the query string from the URL.
    pub fn write(&self, line: &mut Line<'_>, drop_query: bool) {
        line.object("http", |line| {
            self.write_request(line, drop_query);
            self.write_response(line);
        });
    }

    fn write_request(&self, line: &mut Line<'_>, drop_query: bool) {
        if let Some(hostname) = self.hostname {
            line.wire("hostname", "http.hostname", hostname);
        }
        if let Some(port) = self.port {
            line.integer("http_port", u64::from(port));
        }
        if let Some(url) = self.url {
            let end = if drop_query {
                url.iter().position(|byte| *byte == b'?')
            } else {
                None
            };
            line.url(
                "url",
                "http.url",
                end.and_then(|end| url.get(..end)).unwrap_or(url),
            );
        }
        if let Some(agent) = self.user_agent {
            line.wire("http_user_agent", "http.http_user_agent", agent);
        }
        if let Some(method) = self.method {
            line.wire("http_method", "http.http_method", method);
        }
        if let Some(protocol) = self.protocol {
            line.wire("protocol", "http.protocol", protocol);
        }
    }

    fn write_response(&self, line: &mut Line<'_>) {
        if let Some(status) = self.status {
            line.integer("status", u64::from(status));
        }
        line.integer("length", self.length);
        if let Some(content_type) = self.content_type {
            line.wire("http_content_type", "http.http_content_type", content_type);
        }
        let Some(content_range) = self.content_range else {
            return;
        };
        line.object("content_range", |line| {
            line.wire("raw", "http.content_range.raw", content_range.raw);
            if let Some((start, end)) = content_range.range {
                line.integer("start", start);
                line.integer("end", end);
            }
            if let Some(size) = content_range.size {
                line.integer("size", size);
            }
        });
    }
}
