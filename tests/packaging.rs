//! What the package brings: its configuration, its units, its documents. `make deb-test` installs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "../packaging/documents.rs"]
mod documents;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use patchspan::config::Config;
use patchspan::config::metrics::Listen;
use patchspan::config::outputs::Target;

const CONFIG: &str = include_str!("../packaging/sensor.toml");
const DEPLOYING: &str = include_str!("../docs/deploy.md");
const UNITS: [&str; 2] = ["patchspan.service", "patchspan@.service"];
/// Tenths, as `systemd-analyze security --threshold` wants them.
const EXPOSURE: u32 = 12;
const EXPOSURE_WITH_DROP_IN: u32 = 15;

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("sensor.toml")).unwrap()
}

/// With the settings that are commented out.
fn whole(text: &str) -> String {
    let line = |line: &str| {
        let is_setting = line.starts_with('#') && !line.starts_with("# ");
        format!("{}\n", if is_setting { &line[1..] } else { line })
    };
    text.lines().map(line).collect()
}

fn path_of(target: &Target) -> &Path {
    match target {
        Target::File(file) => &file.path,
        other => panic!("{other:?} is no file"),
    }
}

#[test]
fn the_packaged_configuration_is_the_default_but_for_its_file_state_and_metrics() {
    let mut config = parse(CONFIG);
    let written = std::mem::replace(&mut config.outputs, Config::default().outputs);
    let socket = Listen::Unix("/run/patchspan/metrics.sock".into());
    assert_eq!(config.metrics.take(), Some(socket));
    let state = config.state.directory.take();
    assert_eq!(state.as_deref(), Some(Path::new("/var/lib/patchspan")));
    assert_eq!(config, Config::default());
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].records, config.outputs[0].records);
    assert_eq!(written[0].queue, config.outputs[0].queue);
    let path = path_of(&written[0].target);
    assert_eq!(path, Path::new("/var/log/patchspan/patchspan.json"));
}

#[test]
fn what_the_packaged_configuration_shows_of_its_file_are_the_defaults() {
    let (shown, used) = (parse(&whole(CONFIG)), parse(CONFIG));
    assert_eq!(shown.outputs[0], used.outputs[0]);
}

#[test]
fn the_full_logs_of_the_packaged_configuration_are_right_once_they_are_switched_on() {
    let config = parse(&whole(CONFIG));
    let full = &config.outputs[1];
    assert_eq!(config.outputs.len(), 2);
    assert!(full.purpose.is_some());
    let path = path_of(&full.target);
    assert_eq!(path, Path::new("/var/log/patchspan/full.json"));
}

#[test]
fn one_value_is_to_be_set() {
    let unset: Vec<&str> = CONFIG
        .lines()
        .filter(|line| line.ends_with("= []"))
        .collect();
    assert_eq!(unset, ["interfaces = []"]);
    let set = CONFIG.replace("interfaces = []", r#"interfaces = ["eth1"]"#);
    assert_eq!(parse(&set).capture.interfaces, ["eth1"]);
}

/// The units but for where the program is, in a folder of their own.
fn units(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for unit in UNITS {
        let text = shipped(unit);
        let program = env!("CARGO_BIN_EXE_patchspan");
        assert!(text.contains("ExecStart=/usr/bin/patchspan run "));
        fs::write(
            folder.join(unit),
            text.replace("/usr/bin/patchspan", program),
        )
        .unwrap();
    }
    folder
}

fn shipped(unit: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    fs::read_to_string(folder.join(unit)).unwrap()
}

/// Without systemd on the machine there is nobody to ask.
fn has_systemd_analyze() -> bool {
    let found = Command::new("systemd-analyze")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if found.is_err() {
        eprintln!("skipped: systemd-analyze is not installed");
    }
    found.is_ok()
}

/// Its exit code, and all that it says.
fn analyze(arguments: &[&str], folder: &Path, unit: &str) -> (bool, String) {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(folder.join(unit))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Fails where the exposure is above `most` tenths.
fn assert_exposure(folder: &Path, unit: &str, most: u32) {
    let threshold = format!("--threshold={most}");
    let (is_below, said) = analyze(
        &["security", "--offline=true", "--no-pager", &threshold],
        folder,
        unit,
    );
    assert!(said.contains("Overall exposure level"), "{said}");
    assert!(is_below, "{said}");
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    if has_systemd_analyze() {
        let folder = units("units-verify");
        for unit in UNITS {
            let (is_good, said) = analyze(&["verify", "--man=no"], &folder, unit);
            assert!(is_good && said.trim().is_empty(), "{unit}: {said}");
        }
    }
}

#[test]
fn the_units_are_exposed_little() {
    if has_systemd_analyze() {
        let folder = units("units-shipped");
        for unit in UNITS {
            assert_exposure(&folder, unit, EXPOSURE);
        }
    }
}

/// With a documented drop-in that opens sockets of the internet families.
fn assert_exposure_with(name: &str) {
    let folder = units(&format!("units-{name}"));
    let drop_in = drop_in(name);
    assert!(drop_in.contains("AF_INET"), "{drop_in}");
    for unit in UNITS {
        let beside = folder.join(format!("{unit}.d"));
        fs::create_dir_all(&beside).unwrap();
        fs::write(beside.join(format!("{name}.conf")), &drop_in).unwrap();
        let (_, said) = analyze(&["security", "--offline=true", "--no-pager"], &folder, unit);
        let opened = said
            .lines()
            .find(|line| line.contains("AF_(INET|INET6)"))
            .unwrap();
        assert!(opened.contains('✗'), "the drop-in was not read: {opened}");
        assert_exposure(&folder, unit, EXPOSURE_WITH_DROP_IN);
    }
}

#[test]
fn the_service_is_exposed_little_with_the_documented_drop_ins_for_a_collector_and_for_metrics() {
    if has_systemd_analyze() {
        assert_exposure_with("collector");
        assert_exposure_with("metrics");
    }
}

/// As `docs/deploy.md` shows it.
fn drop_in(name: &str) -> String {
    let head = format!("# /etc/systemd/system/patchspan.service.d/{name}.conf\n");
    let (_, rest) = DEPLOYING.split_once(&head).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_template_differs_from_the_service_in_names_only() {
    let expected = shipped(UNITS[0])
        .replace("sensor.toml", "%i.toml")
        .replace("server\n", "server (%i)\n")
        .replace("Directory=patchspan\n", "Directory=patchspan/%i\n")
        .replace(
            "RuntimeDirectory=patchspan/%i",
            "RuntimeDirectory=patchspan-%i",
        )
        .replace(
            "ConfigurationDirectory=patchspan/%i",
            "ConfigurationDirectory=patchspan",
        );
    let settings = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(settings(&expected), settings(&shipped(UNITS[1])));
}

/// Files below a folder, as paths from there.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found
}

/// What the package puts below `usr/share`: where, and where it has it from. Without what is made of the program's flags.
fn shared_files() -> BTreeMap<PathBuf, PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documents");
    let _ = fs::remove_dir_all(&made);
    documents::write(source, &made).unwrap();

    let manifest = fs::read_to_string(source.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let mut files = BTreeMap::new();
    for asset in manifest["package"]["metadata"]["deb"]["assets"]
        .as_array()
        .unwrap()
    {
        let (from, to) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
        let folder = match from {
            "target/packaging/documents/**/*" => made.clone(),
            "catalogue/*" => source.join("catalogue"),
            _ if from.starts_with("target/") => continue,
            file => {
                let name = Path::new(file).file_name().unwrap();
                let to = Path::new(to);
                let is_folder = to.as_os_str().as_encoded_bytes().ends_with(b"/");
                let to = if is_folder { to.join(name) } else { to.into() };
                files.insert(to, source.join(file));
                continue;
            }
        };
        for file in files_below(&folder) {
            files.insert(Path::new(to).join(&file), folder.join(file));
        }
    }
    files.retain(|to, _| to.starts_with("usr/share"));
    files
}

/// Those that lead to other files of the same machine.
fn links(text: &str) -> Vec<&str> {
    let all = text.split("](").skip(1);
    let all = all.filter_map(|rest| rest.split([')', '#']).next());
    all.filter(|link| !link.is_empty() && !link.contains("://"))
        .collect()
}

#[test]
fn what_the_installed_documents_link_to_is_installed() {
    let files = shared_files();
    let mut seen = 0;
    for (document, source) in &files {
        let name = document.to_str().unwrap();
        if !name.ends_with(".md") && !name.ends_with("changelog") {
            continue;
        }
        for link in links(&fs::read_to_string(source).unwrap()) {
            let meant = documents::plain(&document.with_file_name(link));
            let meant = if link.ends_with("changelog.gz") {
                meant.with_extension("")
            } else {
                meant
            };
            assert!(files.contains_key(&meant), "{name}: {link}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn an_installed_document_says_where_the_rest_is() {
    let files = shared_files();
    let read = |name: &str| {
        let path = Path::new(documents::FOLDER).join(name);
        fs::read_to_string(&files[&path]).unwrap()
    };
    let readme = read("README.md");
    assert!(readme.contains("\n- [docs/deploy.md](docs/deploy.md): "));
    assert!(readme.contains("\n- [catalogue/README.md](../../patchspan/catalogue/README.md): "));
    assert!(readme.contains("\n- CONTRIBUTING.md, [CHANGELOG.md](changelog.gz)\n"));
    assert!(readme.contains("\n- fuzz/README.md: "));
    for document in [readme, read("ARCHITECTURE.md"), read("docs/deploy.md")] {
        assert!(document.ends_with("are in the source code.\n"));
    }
    let untouched = include_str!("../docs/metrics.md");
    assert_eq!(read("docs/metrics.md"), untouched);
}
