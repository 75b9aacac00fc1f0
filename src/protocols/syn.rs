//! The shape of a TCP SYN: what a system's stack puts into it, whatever program connects.
//!
//! The order of the options (RFC 9293 section 3.1) and the first hop limit tell families of stacks apart; window, scale and segment
//! size change with settings and links, and are left out.

/// Most options that a shape holds.
const MOST_OPTIONS: usize = 16;
/// Hop limits that stacks begin with.
const FIRST_HOPS: [u8; 3] = [64, 128, 255];
/// A packet has hardly more routers behind it.
const MOST_ROUTERS: u8 = 40;
const END: u8 = 0;
const NOTHING: u8 = 1;
/// Options by their words, as p0f writes them.
const WORDS: [(&str, u8); 6] = [
    ("eol", END),
    ("nop", NOTHING),
    ("mss", 2),
    ("ws", 3),
    ("sok", 4),
    ("ts", 8),
];

/// The shape of a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    hops: u8,
    options: [u8; MOST_OPTIONS],
    count: u8,
}

impl Shape {
    /// Of a SYN with these options, as it came by with this hop limit. `None`: the options are broken, cut or too many, or the hop
    /// limit tells nothing.
    pub fn of(options: &[u8], hop_limit: u8) -> Option<Self> {
        let first = FIRST_HOPS.iter().find(|first| hop_limit <= **first)?;
        let mut shape = Self {
            hops: *first,
            options: [0; MOST_OPTIONS],
            count: 0,
        };
        let is_near = hop_limit > first - MOST_ROUTERS;
        (is_near && hop_limit > 0).then_some(())?;
        let mut rest = options;
        while let Some((kind, behind)) = rest.split_first() {
            shape.push(*kind)?;
            rest = match *kind {
                END => break,
                NOTHING => behind,
                _ => rest.get(usize::from(*behind.first()?).max(2)..)?,
            };
        }
        Some(shape)
    }

    /// Of a first hop limit and options by their words, such as `mss,sok,ts,nop,ws`.
    pub fn parse(hops: u8, words: &str) -> Option<Self> {
        let mut shape = Self {
            hops,
            options: [0; MOST_OPTIONS],
            count: 0,
        };
        FIRST_HOPS.contains(&hops).then_some(())?;
        for word in words.split(',') {
            let (_, kind) = WORDS.iter().find(|(own, _)| *own == word)?;
            shape.push(*kind)?;
        }
        Some(shape)
    }

    fn push(&mut self, kind: u8) -> Option<()> {
        *self.options.get_mut(usize::from(self.count))? = kind;
        self.count += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX: &[u8] = &[
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
    ];

    #[test]
    fn order_and_first_hop_limit_make_the_shape() {
        let linux = Shape::parse(64, "mss,sok,ts,nop,ws");
        assert!(linux.is_some());
        assert_eq!(Shape::of(LINUX, 64), linux);
        assert_eq!(Shape::of(LINUX, 57), linux, "some routers on its way");
        assert_ne!(Shape::of(LINUX, 128), linux);
        assert_eq!(Shape::of(LINUX, 70), None, "too far for 128");
        assert_eq!(Shape::of(LINUX, 0), None, "not known");
        let windows = [2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2];
        assert_eq!(
            Shape::of(&windows, 127),
            Shape::parse(128, "mss,nop,ws,nop,nop,sok")
        );
        let ended = [2, 4, 5, 0xb4, 0, 0];
        assert_eq!(Shape::of(&ended, 64), Shape::parse(64, "mss,eol"));
    }

    #[test]
    fn hostile_options_make_no_shape_or_a_short_one() {
        for end in 0..LINUX.len() {
            for byte in 0..=u8::MAX {
                let mut changed = LINUX.to_vec();
                if let Some(at) = changed.get_mut(end) {
                    *at = byte;
                }
                let _ = Shape::of(&changed, 64);
                let _ = Shape::of(changed.get(..end).unwrap(), byte);
            }
        }
        assert_eq!(Shape::of(&[1; 40], 64), None, "too many");
        assert_eq!(Shape::parse(64, "mss,what"), None);
    }
}
