//! Chains, each stored once: a name that was asked for, and the aliases that led from it to an address.
//!
//! The aliases are a text of their own, one after the other, because the names of one service share them. The chain's text is the id of
//! theirs, zeros where there are none, and the name behind it.

use super::texts::{TextId, Texts};

/// Most names of a chain that are kept: the name asked for and the last ones.
pub const MAX_CHAIN: usize = 16;
/// Bytes of an id.
const ID: usize = 8;
/// Stands in no name: their presentation form escapes it.
const BETWEEN: char = '\n';

/// A chain in the form in which it is stored, in buffers that the next one uses again.
#[derive(Debug, Default)]
pub struct Chain {
    text: Vec<u8>,
    aliases: Vec<u8>,
}

impl Chain {
    /// Of names from the one asked for on, in lower-case presentation form; of an empty chain the name is empty.
    pub fn of<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let mut chain = Self::default();
        chain.set(names);
        chain
    }

    /// Takes in another.
    pub fn set<'a>(&mut self, mut names: impl ExactSizeIterator<Item = &'a str>) {
        self.text.clear();
        self.text.extend([0; ID]);
        self.aliases.clear();
        let name = names.next().unwrap_or_default();
        self.text.extend_from_slice(name.as_bytes());
        let skipped = (names.len() + 1).saturating_sub(MAX_CHAIN);
        for alias in names.skip(skipped) {
            if !self.aliases.is_empty() {
                self.aliases.push(BETWEEN as u8);
            }
            self.aliases.extend_from_slice(alias.as_bytes());
        }
    }

    /// The name asked for.
    pub fn name(&self) -> &[u8] {
        self.text.get(ID..).unwrap_or_default()
    }
}

/// By what the texts of a chain are looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hashes {
    /// That of the chain, which does not say where its aliases stand: both are looked for at once.
    whole: u64,
    aliases: Option<u64>,
}

impl Hashes {
    fn each(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.whole).chain(self.aliases)
    }
}

/// The texts of all chains.
#[derive(Debug)]
pub struct Chains {
    texts: Texts,
}

impl Chains {
    /// An empty store of `bytes` bytes of text, rounded up to a power of two.
    pub fn new(bytes: usize, seed: u64) -> Self {
        Self {
            texts: Texts::new(bytes, seed),
        }
    }

    /// By what the texts of `chain` are looked for; `name_hash`: that of its name.
    pub fn hashes(&self, chain: &Chain, name_hash: u64) -> Hashes {
        let aliases = Some(&chain.aliases).filter(|aliases| !aliases.is_empty());
        let aliases = aliases.map(|aliases| self.texts.hash(aliases));
        Hashes {
            whole: name_hash ^ aliases.unwrap_or_default(),
            aliases,
        }
    }

    /// Brings the index of both texts into the core's cache: see [`super::table::Table::touch_head`].
    pub fn touch_index(&self, hashes: &Hashes) -> u64 {
        hashes
            .each()
            .fold(0, |sum, hash| sum ^ self.texts.touch_index(hash))
    }

    /// Brings both texts into the core's cache, where their index is there.
    pub fn touch_texts(&self, hashes: &Hashes) -> u64 {
        hashes
            .each()
            .fold(0, |sum, hash| sum ^ self.texts.touch_texts(hash))
    }

    /// The id of `chain`, stored now where it was not. `None` where it is empty or too long.
    pub fn intern(&self, chain: &mut Chain, hashes: &Hashes) -> Option<TextId> {
        if chain.name().is_empty() {
            return None;
        }
        if let Some(hash) = hashes.aliases {
            let aliases = self.texts.intern(&chain.aliases, hash)?;
            chain
                .text
                .get_mut(..ID)?
                .copy_from_slice(&aliases.to_bytes());
        }
        self.texts.intern(&chain.text, hashes.whole)
    }

    /// The name asked for, unless it was overwritten since.
    pub fn name(&self, id: TextId) -> Option<String> {
        Some(self.read(id)?.0)
    }

    /// Every name, the one asked for first, unless any was overwritten since.
    pub fn chain(&self, id: TextId) -> Option<Vec<String>> {
        let (name, aliases) = self.read(id)?;
        let mut chain = vec![name];
        if let Some(aliases) = aliases {
            let aliases = self.texts.text(aliases)?;
            chain.extend(aliases.split(BETWEEN).map(str::to_owned));
        }
        Some(chain)
    }

    /// Whether `id` still holds exactly `chain`.
    pub fn is(&self, id: TextId, chain: &Chain) -> bool {
        let Some((name, aliases)) = self.read(id) else {
            return false;
        };
        let are_same = |aliases| self.texts.is(aliases, &chain.aliases);
        name.as_bytes() == chain.name() && aliases.map_or(chain.aliases.is_empty(), are_same)
    }

    fn read(&self, id: TextId) -> Option<(String, Option<TextId>)> {
        let mut bytes = self.texts.bytes(id)?;
        let aliases = TextId::from_bytes(*bytes.first_chunk()?);
        bytes.drain(..ID);
        Some((String::from_utf8(bytes).ok()?, aliases))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(chains: &Chains, names: &[&str]) -> Option<TextId> {
        let mut chain = Chain::of(names.iter().copied());
        let name_hash = chains.texts.hash(chain.name());
        let hashes = chains.hashes(&chain, name_hash);
        chains.intern(&mut chain, &hashes)
    }

    fn store(chains: &Chains, names: &[&str]) -> TextId {
        intern(chains, names).unwrap()
    }

    #[test]
    fn a_chain_is_stored_once_and_read_as_it_was() {
        let chains = Chains::new(1 << 16, 0);
        let long: Vec<String> = (0..MAX_CHAIN + 3)
            .map(|n| format!("n{n}.example"))
            .collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        for names in [
            &["a.example"][..],
            &["a.example", "edge.example", "cdn.example"],
            &long,
        ] {
            let id = store(&chains, names);
            assert_eq!(store(&chains, names), id);
            let kept = names.len().min(MAX_CHAIN) - 1;
            let expected = [&names[..1], &names[names.len() - kept..]].concat();
            assert_eq!(chains.chain(id).unwrap(), expected);
            assert_eq!(chains.name(id).unwrap(), names[0]);
        }
        assert_eq!(intern(&chains, &[]), None);
    }

    #[test]
    fn a_chain_is_known_by_its_names_wherever_they_are_stored() {
        let chains = Chains::new(0, 0);
        let names = ["a.example", "edge.example"];
        let earlier = store(&chains, &names);
        let mut turns = 0;
        // As the ring turns its texts are copied forward.
        let later = loop {
            store(&chains, &[&format!("filling-{turns}.example")]);
            turns += 1;
            let id = store(&chains, &names);
            if id != earlier {
                break id;
            }
        };
        for id in [earlier, later] {
            assert!(chains.is(id, &Chain::of(names.into_iter())));
            for other in [
                &names[..1],
                &["b.example", "edge.example"],
                &["a.example", "edge.example", "x"],
            ] {
                assert!(
                    !chains.is(id, &Chain::of(other.iter().copied())),
                    "{other:?}"
                );
            }
        }
    }
}
