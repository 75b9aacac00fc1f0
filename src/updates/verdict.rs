//! The words of verdicts: closed lists that downstream tools can rely on.

/// Declares a closed list of words.
macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$inner])* $variant,)* }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in records.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// What an access came to.
    Verdict {
        /// Asked in DNS, never contacted.
        Resolved = "resolved",
        /// Nothing came back.
        Unanswered = "unanswered",
        /// The server refused.
        Refused = "refused",
        /// Contacted, nothing fetched.
        Checked = "checked",
        /// Being fetched.
        Downloading = "downloading",
        /// Fetched.
        Downloaded = "downloaded",
        /// Begun and not completed.
        Partial = "partial",
    }
}

words! {
    /// What a verdict rests on.
    Evidence {
        /// The role of the endpoint.
        Role = "endpoint_role",
        /// A path that a rule names.
        HttpPath = "http_path",
        /// The body reached its announced length.
        ContentLengthReached = "content_length_reached",
        /// Ranges cover the whole file.
        RangesCovered = "ranges_covered",
        /// Ranges, or a known length, are not covered.
        Incomplete = "incomplete",
        /// Large volume in one burst.
        BurstVolume = "burst_volume",
        /// Less than what makes a download.
        BelowThreshold = "below_threshold",
        /// 304: the client has it already.
        NotModified = "not_modified",
        /// 3xx: what was asked for is elsewhere.
        Redirect = "redirect",
        /// 4xx or 5xx.
        HttpError = "http_error",
        /// An HTML page came where a file was asked for.
        WebPage = "web_page",
        /// HEAD asks for no body.
        HeadRequest = "head_request",
        /// A part was lost on the mirror and acknowledged by the client.
        Inferred = "inferred",
        /// The connection was reset.
        Reset = "reset",
        /// The handshake of TLS or QUIC was broken off.
        HandshakeFailed = "handshake_failed",
        /// The proxy did not connect.
        ProxyRefused = "proxy_refused",
        /// Another address, family or transport failed at the same time.
        Fallback = "fallback",
        /// No address that one can connect to was answered.
        NoAddress = "no_address",
        /// The input ended first, or a restart of the sensor hid a part of it.
        CaptureEnd = "capture_end",
    }
}

words! {
    /// How far an access can be trusted.
    Confidence {
        /// A guess among candidates.
        Low = "low",
        /// One source.
        Medium = "medium",
        /// Sources that agree.
        High = "high",
    }
}

words! {
    /// Whether there was an update.
    Offered {
        /// There was.
        Yes = "yes",
        /// There was none, by evidence.
        No = "no",
        /// Nothing tells.
        Unknown = "unknown",
    }
}

words! {
    /// What a session came to.
    Outcome {
        /// Contact was tried.
        Attempted = "attempted",
        /// Contacted, nothing fetched.
        Checked = "checked",
        /// An update was there and not fetched.
        Offered = "offered",
        /// Begun and not completed.
        Partial = "partial",
        /// Fetched.
        Downloaded = "downloaded",
    }
}
