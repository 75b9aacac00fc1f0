//! Where records go: the tables `[[output]]`.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::document::{Document, Section};
use super::forms::{
    Form, age, certified_name, choice, duration, path, record_kind, sentence, server_and_port,
    size, size_in_words, socket_path, word_of_letters, yes_or_no,
};
use crate::records::{Kind, Kinds};

/// Most outputs.
const MAX_OUTPUTS: usize = 16;
/// Bytes that wait for an output, in each of its two lanes.
const QUEUE: RangeInclusive<u64> = 256 << 10..=1 << 30;
const ROTATE_SIZE: RangeInclusive<u64> = 64 << 10..=1 << 40;
const ROTATE_EVERY: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(366 * 86_400);
const KEEP_DAYS: RangeInclusive<u64> = 1..=3_660;
const KEEP_SIZE: RangeInclusive<u64> = 1 << 20..=1 << 50;
/// Where Debian keeps the certificates of all authorities that it trusts.
const CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";
const PURPOSE: &str = "records of dns, tls, quic, http and flow tell of every connection of every client: \
                       write down what they are kept for, as purpose = \"...\"";

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// Its name in messages, counters and `loss` records; no other output has it.
    pub name: String,
    /// What is written; at least one kind.
    pub records: Kinds,
    /// What records of all connections are kept for; there where any of them is written.
    pub purpose: Option<String>,
    /// Most bytes that wait in each of its two lanes.
    pub queue: u64,
    /// Where it leads.
    pub target: Target,
}

/// Where an output leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Standard,
    /// A file that is rotated.
    File(FileTarget),
    /// A Unix stream socket on which a reader listens, at this path.
    Unix(PathBuf),
    /// A collector.
    Tcp(TcpTarget),
}

/// A file, and what becomes of it when it is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTarget {
    /// The file that is written now.
    pub path: PathBuf,
    /// It is put aside before it grows longer.
    pub rotate_size: u64,
    /// It is put aside at this age.
    pub rotate_every: Duration,
    /// Files put aside are compressed, one rotation later.
    pub compress: bool,
    /// Files put aside longer ago are deleted.
    pub keep_for: Duration,
    /// The oldest files put aside are deleted where all together are larger.
    pub keep_size: u64,
}

/// A collector that takes lines over TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpTarget {
    /// Name or address, and port.
    pub address: String,
    /// Certificates and name, where it speaks TLS.
    pub tls: Option<TlsTarget>,
}

/// How a collector proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsTarget {
    /// Certificates of the authorities that are believed (PEM).
    pub ca_file: PathBuf,
    /// The name in its certificate.
    pub server_name: String,
}

/// What is written where nothing is said: what the sensor concludes, and what it says of itself.
pub const CONCLUSIONS: Kinds = Kinds::NONE
    .with(Kind::Update)
    .with(Kind::UpdateSession)
    .with(Kind::ClientBinding)
    .with(Kind::Coverage)
    .with(Kind::Stats)
    .with(Kind::PatchspanStats)
    .with(Kind::Loss);

/// The kinds that replace the logs of resolvers and firewalls: one record and more for every connection of every client.
pub const FULL_LOGS: [Kind; 5] = [Kind::Dns, Kind::Tls, Kind::Quic, Kind::Http, Kind::Flow];

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            name: "stdout".to_owned(),
            records: CONCLUSIONS,
            purpose: None,
            queue: 8 << 20,
            target: Target::Standard,
        }
    }
}

impl OutputConfig {
    /// Its name, its place, and what may wait for it, for a person.
    pub fn line(&self) -> String {
        let place = match &self.target {
            Target::Standard => "standard output".to_owned(),
            Target::File(file) => file.path.display().to_string(),
            Target::Unix(path) => format!("{} (socket)", path.display()),
            Target::Tcp(tcp) if tcp.tls.is_some() => format!("{} (TLS)", tcp.address),
            Target::Tcp(tcp) => format!("{} (TCP)", tcp.address),
        };
        let queue = size_in_words(self.queue);
        format!("{:8} {place}; at most 2 x {queue} wait", self.name)
    }
}

impl FileTarget {
    /// A file with the default rotation.
    pub const fn new(path: PathBuf) -> Self {
        Self {
            path,
            rotate_size: 256 << 20,
            rotate_every: Duration::from_secs(86_400),
            compress: true,
            keep_for: Duration::from_secs(30 * 86_400),
            keep_size: 10 << 30,
        }
    }
}

impl Target {
    /// What tells it from others: two outputs cannot lead to the same place. With the key that says it.
    fn place(&self) -> (&'static str, String) {
        match self {
            Self::Standard => ("kind", String::new()),
            Self::File(file) => ("path", file.path.display().to_string()),
            Self::Unix(path) => ("path", path.display().to_string()),
            Self::Tcp(tcp) => ("address", tcp.address.clone()),
        }
    }
}

/// The word of `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Standard,
    File,
    Unix,
    Tcp,
}

const WORDS: &[(&str, Option<Word>)] = &[
    ("stdout", Some(Word::Standard)),
    ("file", Some(Word::File)),
    ("unix", Some(Word::Unix)),
    ("tcp", Some(Word::Tcp)),
];

/// The settings that not every kind of output has.
const OWN_SETTINGS: &[(&str, &[Word])] = &[
    ("path", &[Word::File, Word::Unix]),
    ("rotate_size", &[Word::File]),
    ("rotate_every", &[Word::File]),
    ("compress", &[Word::File]),
    ("keep_for", &[Word::File]),
    ("keep_size", &[Word::File]),
    ("address", &[Word::Tcp]),
    ("tls", &[Word::Tcp]),
    ("ca_file", &[Word::Tcp]),
    ("server_name", &[Word::Tcp]),
];

/// Reads the tables. Where there are none, standard output. All queues together are at most `share` bytes: each lane is at most its
/// part of that.
pub(super) fn read<'i>(
    document: &mut Document<'i>,
    root: &mut Section<'i>,
    share: u64,
) -> Vec<OutputConfig> {
    let mut outputs = tables(document, root);
    let most = share / (2 * outputs.len().max(1) as u64);
    for output in &mut outputs {
        output.queue = output.queue.min(most);
    }
    outputs
}

fn tables<'i>(document: &mut Document<'i>, root: &mut Section<'i>) -> Vec<OutputConfig> {
    let Some(sections) = document.tables(root, "output", MAX_OUTPUTS) else {
        return vec![OutputConfig::default()];
    };
    let mut seen: Vec<(OutputConfig, String)> = Vec::new();
    for mut section in sections {
        let places = ["name", "kind", "path", "address"].map(|key| (key, section.place_of(key)));
        let Some(output) = output(document, &mut section) else {
            document.end(section);
            continue;
        };
        let at = |key: &str| {
            places
                .iter()
                .find(|(known, _)| *known == key)
                .map_or(0, |(_, at)| *at)
        };
        for (other, name) in &seen {
            let (key, place) = output.target.place();
            if other.target.place() == (key, place) {
                document.repeat(at(key), section.path(key), format!("{name}.{key}"));
            }
            if other.name == output.name {
                document.repeat(at("name"), section.path("name"), format!("{name}.name"));
            }
        }
        seen.push((output, section.path("").trim_end_matches('.').to_owned()));
        document.end(section);
    }
    seen.into_iter().map(|(output, _)| output).collect()
}

/// `None` where the table does not say what kind of output it is, or where it leads: that is told.
fn output<'i>(document: &mut Document<'i>, section: &mut Section<'i>) -> Option<OutputConfig> {
    let form = choice(WORDS);
    if !section.has("kind") {
        document.miss(section, "kind", form.accepted());
    }
    let mut word = None;
    document.set(section, "kind", &form, &mut word);
    let mut output = OutputConfig::default();
    let default = WORDS.iter().find(|(_, known)| *known == word);
    let mut name = default.map(|(name, _)| (*name).to_owned());
    document.set(section, "name", &word_of_letters(), &mut name);
    output.name = name.unwrap_or_default();
    document.set(section, "queue", &size(QUEUE), &mut output.queue);
    records(document, section, &mut output);
    misplaced(document, section, word);
    output.target = match word? {
        Word::Standard => Target::Standard,
        Word::File => Target::File(file(document, section)?),
        Word::Unix => Target::Unix(path_of(document, section, &socket_path())?),
        Word::Tcp => Target::Tcp(tcp(document, section)?),
    };
    Some(output)
}

fn records<'i>(document: &mut Document<'i>, section: &mut Section<'i>, output: &mut OutputConfig) {
    let is_said = section.has("records");
    let mut kinds = Vec::new();
    document.refuse_empty(section, "records", "a list of at least one kind of record");
    document.set_list(
        section,
        "records",
        Kind::ALL.len(),
        &record_kind(),
        &mut kinds,
    );
    if is_said {
        output.records = kinds
            .iter()
            .fold(Kinds::NONE, |kinds, kind| kinds.with(*kind));
    }
    let is_asked = section.has("purpose");
    document.set(section, "purpose", &sentence(), &mut output.purpose);
    let is_full = FULL_LOGS.iter().any(|kind| output.records.has(*kind));
    if is_full && !is_asked {
        document.miss(section, "purpose", PURPOSE);
    }
}

/// Settings of other kinds of output are no mistyped ones: the message says whose they are.
fn misplaced<'i>(document: &mut Document<'i>, section: &mut Section<'i>, word: Option<Word>) {
    let Some(word) = word else {
        // Nobody knows which of them are right here.
        OWN_SETTINGS.iter().for_each(|(key, _)| section.forget(key));
        return;
    };
    for (key, words) in OWN_SETTINGS {
        if words.contains(&word) {
            continue;
        }
        let is_one = |known: &Option<Word>| known.is_some_and(|known| words.contains(&known));
        let of = WORDS.iter().filter(|(_, known)| is_one(known));
        let of: Vec<&str> = of.map(|(name, _)| *name).collect();
        document.misplace(
            section,
            key,
            &format!("outputs of kind {}", of.join(" and ")),
        );
    }
}

fn path_of<'i>(
    document: &mut Document<'i>,
    section: &mut Section<'i>,
    form: &Form<Option<PathBuf>>,
) -> Option<PathBuf> {
    let is_there = section.has("path");
    let mut target = None;
    document.set(section, "path", form, &mut target);
    if !is_there {
        document.miss(section, "path", "say where, as path = \"...\"");
    }
    target
}

fn file<'i>(document: &mut Document<'i>, section: &mut Section<'i>) -> Option<FileTarget> {
    let path = path_of(document, section, &path());
    let mut file = FileTarget::new(path.clone().unwrap_or_default());
    document.set(
        section,
        "rotate_size",
        &size(ROTATE_SIZE),
        &mut file.rotate_size,
    );
    document.set(
        section,
        "rotate_every",
        &duration(ROTATE_EVERY),
        &mut file.rotate_every,
    );
    document.set(section, "compress", &yes_or_no(), &mut file.compress);
    document.set(section, "keep_for", &age(KEEP_DAYS), &mut file.keep_for);
    document.set(section, "keep_size", &size(KEEP_SIZE), &mut file.keep_size);
    path.map(|_| file)
}

fn tcp<'i>(document: &mut Document<'i>, section: &mut Section<'i>) -> Option<TcpTarget> {
    let is_there = section.has("address");
    let mut address = None;
    document.set(section, "address", &server_and_port(), &mut address);
    if !is_there {
        document.miss(
            section,
            "address",
            "say where, as address = \"collector.example.org:6000\"",
        );
    }
    let (mut is_tls, mut ca_file, mut server_name) = (false, None, None);
    document.set(section, "tls", &yes_or_no(), &mut is_tls);
    if !is_tls {
        for key in ["ca_file", "server_name"] {
            document.misplace(section, key, "outputs with tls = true");
        }
    }
    document.set(section, "ca_file", &path(), &mut ca_file);
    document.set(section, "server_name", &certified_name(), &mut server_name);
    let address = address?;
    let (host, _) = address.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let tls = is_tls.then(|| TlsTarget {
        ca_file: ca_file.unwrap_or_else(|| PathBuf::from(CA_FILE)),
        server_name: server_name.unwrap_or(host),
    });
    Some(TcpTarget { address, tls })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::super::memory::Shares;
    use super::*;

    fn parse(text: &str) -> Vec<OutputConfig> {
        Config::parse(text, Path::new("c")).unwrap().outputs
    }

    fn messages(text: &str) -> Vec<String> {
        let errors = Config::parse(text, Path::new("c")).unwrap_err().to_string();
        errors.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_set_is_taken() {
        let outputs = parse(
            r#"
            [[output]]
            kind = "file"
            path = "/var/log/a.json"
            records = ["dns", "loss"]
            purpose = "to see"
            rotate_size = "64KiB"
            rotate_every = "1s"
            compress = false
            keep_for = "2d"
            keep_size = "1MiB"
            queue = "256KiB"
            [[output]]
            kind = "unix"
            path = "/run/a.sock"
            [[output]]
            kind = "tcp"
            name = "central"
            address = "[2001:db8::1]:6000"
            tls = true
            "#,
        );
        let file = FileTarget {
            path: "/var/log/a.json".into(),
            rotate_size: 64 << 10,
            rotate_every: Duration::from_secs(1),
            compress: false,
            keep_for: Duration::from_secs(2 * 86_400),
            keep_size: 1 << 20,
        };
        let tls = TlsTarget {
            ca_file: CA_FILE.into(),
            server_name: "2001:db8::1".to_owned(),
        };
        let tcp = TcpTarget {
            address: "[2001:db8::1]:6000".to_owned(),
            tls: Some(tls),
        };
        let expected = [
            OutputConfig {
                name: "file".to_owned(),
                records: Kinds::NONE.with(Kind::Dns).with(Kind::Loss),
                purpose: Some("to see".to_owned()),
                queue: 256 << 10,
                target: Target::File(file),
            },
            OutputConfig {
                name: "unix".to_owned(),
                target: Target::Unix("/run/a.sock".into()),
                ..OutputConfig::default()
            },
            OutputConfig {
                name: "central".to_owned(),
                target: Target::Tcp(tcp),
                ..OutputConfig::default()
            },
        ];
        assert_eq!(outputs, expected);
    }

    #[test]
    fn the_full_logs_need_a_purpose_and_the_conclusions_none() {
        for kind in FULL_LOGS {
            let text =
                format!("\n[[output]]\nkind = \"stdout\"\nrecords = [\"update\", \"{kind}\"]\n");
            assert_eq!(
                messages(&text),
                [format!("c:2:1: output[0].purpose: is missing: {PURPOSE}")]
            );
            assert_eq!(parse(&format!("{text}purpose = \"to see\"")).len(), 1);
            let empty = messages(&format!("{text}purpose = \"  \""));
            assert_eq!(
                empty,
                [
                    "c:5:11: output[0].purpose = \"  \": accepted is text of 3 to 500 characters on one line"
                ]
            );
        }
        assert_eq!(
            parse("[[output]]\nkind = \"stdout\""),
            [OutputConfig::default()]
        );
    }

    #[test]
    fn every_error_is_told_with_its_place() {
        let said = messages(
            "[[output]]\nkind = \"pipe\"\nname = \"a b\"\nrotate_size = 3\n\
             [[output]]\nrecords = [\"updates\"]\n\
             [[output]]\nkind = \"file\"\nqueue = \"1B\"\nadress = \"a:1\"\n\
             [[output]]\nkind = \"unix\"\npath = \"/a\"\nrotate_size = \"1MiB\"\nrecords = []\n\
             [[output]]\nkind = \"tcp\"\naddress = \"a\"\nserver_name = \"b\"\n",
        );
        let starts = [
            "c:2:8: output[0].kind = \"pipe\": accepted is \"stdout\", \"file\", \"unix\", \"tcp\"",
            "c:3:8: output[0].name = \"a b\": accepted is 1 to 64 letters",
            "c:5:1: output[1].kind: is missing: \"stdout\", \"file\", \"unix\", \"tcp\"",
            "c:6:12: output[1].records[0] = \"updates\": accepted is a kind of record: dns, tls",
            "c:7:1: output[2].path: is missing: say where, as path = \"...\"",
            "c:9:9: output[2].queue = \"1B\": accepted is a size",
            "c:10:1: output[2].adress: there is no such setting",
            "c:14:15: output[3].rotate_size: is a setting of outputs of kind file only",
            "c:15:11: output[3].records = []: accepted is a list of at least one kind",
            "c:18:11: output[4].address = \"a\": accepted is a server with its port",
            "c:19:15: output[4].server_name: is a setting of outputs with tls = true only",
        ];
        assert_eq!(said.len(), starts.len(), "{said:#?}");
        for (said, start) in said.iter().zip(starts) {
            assert!(said.starts_with(start), "{said}\n{start}");
        }
    }

    #[test]
    fn a_socket_path_is_no_longer_than_the_kernel_takes() {
        let text = |length| {
            format!(
                "[[output]]\nkind = \"unix\"\npath = \"/{}\"\n",
                "a".repeat(length)
            )
        };
        assert_eq!(parse(&text(106)).len(), 1);
        let said = messages(&text(107));
        assert!(
            said[0].ends_with("accepted is the path of a socket, 1 to 107 bytes"),
            "{said:?}"
        );
        let file = text(107).replace("unix", "file");
        assert_eq!(parse(&file).len(), 1);
    }

    #[test]
    fn two_outputs_with_one_name_or_one_place_are_told() {
        let said = messages(
            "[[output]]\nkind = \"unix\"\npath = \"/a\"\n[[output]]\nkind = \"unix\"\npath = \"/b\"\n\
             [[output]]\nkind = \"file\"\nname = \"x\"\npath = \"/a\"\n",
        );
        assert_eq!(
            said,
            [
                "c:4:1: output[1].name: has the value of output[0].name; each needs its own",
                "c:10:8: output[2].path: has the value of output[0].path; each needs its own",
            ]
        );
    }

    #[test]
    fn all_queues_fit_into_their_share_of_memory() {
        let table = |number: usize| {
            format!(
                "[[output]]\nkind = \"unix\"\nname = \"{number}\"\npath = \"/{number}\"\nqueue = \"1GiB\"\n"
            )
        };
        let tables: String = (0..MAX_OUTPUTS).map(table).collect();
        let outputs = parse(&format!("memory = \"64MiB\"\n{tables}"));
        let queued: u64 = outputs.iter().map(|output| 2 * output.queue).sum();
        let share = Shares::of(64 << 20).outputs;
        assert!(queued <= share && queued > share / 2, "{queued} {share}");
        assert!(outputs[0].queue > 2 * 65_536, "room for more than a block");
        assert_eq!(parse("memory = \"1GiB\"")[0].queue, 8 << 20);
    }

    #[test]
    fn a_person_reads_where_each_output_leads() {
        let outputs = parse(
            "[[output]]\nkind = \"stdout\"\n[[output]]\nkind = \"tcp\"\naddress = \"a:1\"\ntls = true\nqueue = \"1MiB\"",
        );
        let lines: Vec<String> = outputs.iter().map(OutputConfig::line).collect();
        let expected = [
            "stdout   standard output; at most 2 x 8MiB wait",
            "tcp      a:1 (TLS); at most 2 x 1MiB wait",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_no_list_of_tables_is_told() {
        for text in ["output = 3", "output = [3]", "[output]\nkind = \"stdout\""] {
            let said = messages(text);
            assert!(
                said[0].contains(": accepted is at most 16 tables: [[output]]"),
                "{said:?}"
            );
        }
    }
}
