//! The program from outside: what it says, where, and with which exit code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/program.rs"]
mod program;

use program::Scratch;

fn patchspan(arguments: &[&str]) -> (i32, String, String) {
    program::patchspan(arguments, b"")
}

/// A pcap file of one Ethernet frame that holds nothing.
fn capture() -> Vec<u8> {
    let words = [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 65_535, 1, 1, 0, 14, 14];
    let header = words.iter().flat_map(|word| word.to_le_bytes());
    header.chain([0; 14]).collect()
}

#[test]
fn help_tells_the_commands_the_examples_and_every_exit_code() {
    let (code, out, err) = patchspan(&["--help"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for word in [
        "replay",
        "check",
        "catalogue",
        "schema",
        "diff",
        "Examples:",
        "Exit codes:",
    ] {
        assert!(out.contains(word), "{word}");
    }
    for code in 0..=7 {
        assert!(out.contains(&format!("\n  {code}  ")), "{code}");
    }
    let (code, out, _) = patchspan(&["replay", "--help"]);
    assert_eq!(code, 0);
    for flag in [
        "--events",
        "--format",
        "--workers",
        "--networks",
        "--hosts",
        "--timezone",
        "--host-label",
        "--in-order",
    ] {
        assert!(out.contains(flag), "{flag}");
    }
}

#[test]
fn version_is_the_packages() {
    let (code, out, _) = patchspan(&["--version"]);
    assert_eq!(
        (code, out),
        (0, format!("patchspan {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn a_command_line_that_makes_no_sense_is_2() {
    let scratch = Scratch::new("cli-usage");
    let file = scratch.file("a.pcap", capture());
    for arguments in [
        vec![],
        vec!["replay"],
        vec!["replay", "--events", "dnss", &file],
        vec!["replay", "--workers", "0", &file],
        vec!["replay", "--networks", "192.0.2.0/40", &file],
        vec!["replay", "--timezone", "Mars/Base", &file],
        vec!["replay", "--host-label", "192.0.2.1", &file],
        vec!["replay", "--format", "xml", &file],
    ] {
        let (code, out, err) = patchspan(&arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(!err.is_empty());
    }
}

#[test]
fn every_error_of_a_wrong_configuration_is_told_and_it_is_3() {
    let scratch = Scratch::new("cli-config");
    let config = scratch.file("sensor.toml", "memroy = \"1GiB\"\n[dns]\nports = [0]\n");
    let file = scratch.file("a.pcap", capture());
    let hosts = scratch.file("hosts.csv", "id,address\nx,nowhere\n");
    let replay = ["replay", "--config", &config, "--hosts", &hosts, &file];
    let check = ["check", &config, "--hosts", &hosts];
    for arguments in [&replay[..], &check[..]] {
        let (code, out, err) = patchspan(arguments);
        assert_eq!((code, out.as_str()), (3, ""));
        assert!(
            err.contains("sensor.toml:1:1: memroy: there is no such setting; did you mean memory?"),
            "{err}"
        );
        assert!(
            err.contains("sensor.toml:3:10: dns.ports[0] = 0: accepted is a port"),
            "{err}"
        );
        assert!(err.contains("hosts.csv:2: address `nowhere`"), "{err}");
    }
}

#[test]
fn a_filter_and_a_catalogue_that_a_run_would_refuse_are_told_by_their_keys() {
    let scratch = Scratch::new("cli-refused");
    let config = scratch.file(
        "sensor.toml",
        "capture.filter = \"not prot 22\"\ncatalogue.directory = \"/nonexistent\"\n",
    );
    let (code, out, err) = patchspan(&["check", &config]);
    assert_eq!((code, out.as_str(), err.lines().count()), (3, "", 2));
    for said in [
        "catalogue.directory: /nonexistent: cannot be read: ",
        "capture.filter = \"not prot 22\" is no filter: ",
    ] {
        assert!(err.contains(said), "{err}");
    }
}

#[test]
fn the_example_passes_the_check() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/sensor.toml.example");
    let (code, out, err) = patchspan(&["check", example]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("no errors") && out.contains("flows"), "{out}");
}

#[test]
fn what_a_run_gives_up_is_told_part_by_part() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/sensor.toml.example");
    let (code, told, said) = patchspan(&["check", "--sandbox", example]);
    assert_eq!((code, said.as_str()), (0, ""));
    let (_, parts) = told.split_once("started like this:\n").unwrap();
    let parts: Vec<(&str, &str)> = parts
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            (words.next().unwrap(), words.next().unwrap())
        })
        .collect();
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    let expected = [
        "user",
        "capabilities",
        "no_new_privs",
        "calls",
        "files",
        "tcp",
    ];
    assert_eq!(names, expected);
    // These depend on no kernel.
    let held = parts.iter().take(3);
    assert!(held.clone().all(|(_, holds)| *holds == "yes"), "{told}");
}

#[test]
fn what_is_demanded_and_cannot_be_given_up_is_an_error_and_it_is_3() {
    let folder = Scratch::new("cli-sandbox");
    let config = folder.file(
        "sensor.toml",
        "sandbox = { enabled = false, required = true }",
    );
    for arguments in [&["check", &config][..], &["check", "--sandbox", &config]] {
        let (code, out, said) = patchspan(arguments);
        assert_eq!((code, out.as_str()), (3, ""), "{said}");
        assert!(
            said.contains("sandbox.required: true does not go with sandbox.enabled = false"),
            "{said}"
        );
    }
}

#[test]
fn a_configuration_without_an_interface_is_told_by_file_and_key_and_it_is_3() {
    let scratch = Scratch::new("cli-nameless");
    let config = scratch.file("sensor.toml", "[capture]\ninterfaces = []\n");
    let (code, out, err) = patchspan(&["run", "--config", &config]);
    assert_eq!((code, out.as_str(), err.lines().count()), (3, "", 1));
    let told = format!("patchspan: {config}: capture.interfaces is empty: ");
    assert!(err.starts_with(&told), "{err}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_a_line_and_it_is_4() {
    let scratch = Scratch::new("cli-input");
    let good = scratch.file("good.pcap", capture());
    let none = scratch.file("none.pcap", "hello");
    let (code, _, err) = patchspan(&["replay", &good, &none, "/nonexistent.pcap"]);
    assert_eq!(code, 4);
    assert!(err.contains("none.pcap is no capture file: "), "{err}");
    assert!(
        err.contains("/nonexistent.pcap cannot be opened: No such file"),
        "{err}"
    );
}

#[test]
fn a_file_that_is_cut_is_5() {
    let scratch = Scratch::new("cli-cut");
    let whole = capture();
    let cut = scratch.file(
        "cut.pcap",
        [&whole[..], &whole[24..whole.len() - 1]].concat(),
    );
    let (code, _, err) = patchspan(&["replay", &cut]);
    assert_eq!(code, 5, "{err}");
    assert!(
        err.contains("cut.pcap is cut in its last record, after 1 whole frames"),
        "{err}"
    );
}

#[test]
fn frames_of_a_link_type_that_is_not_decoded_are_told_once_and_it_is_4() {
    let scratch = Scratch::new("cli-link-type");
    let mut strange = capture();
    strange[20] = 147;
    let (strange, known) = (
        scratch.file("strange.pcap", strange),
        scratch.file("known.pcap", capture()),
    );
    let (code, out, err) = patchspan(&["replay", "--events", "stats", &strange, &known]);
    assert_eq!(code, 4);
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("strange.pcap holds frames"), "{err}");
    assert!(err.contains("link type 147 "), "{err}");
    assert!(out.contains("\"pkts\":2"), "{out}");
}

#[test]
fn a_catalogue_file_that_is_none_is_named_and_it_is_3() {
    let folder = std::env::temp_dir().join(format!("patchspan-cli-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("catalogue")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("catalogue/endless.toml")).unwrap();
    let config = folder.join("sensor.toml");
    let text = format!("[catalogue]\ndirectory = {:?}", folder.join("catalogue"));
    std::fs::write(&config, text).unwrap();
    let (code, out, err) = patchspan(&["replay", "--config", config.to_str().unwrap(), "-"]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("endless.toml: is no file"), "{err}");
}

#[test]
fn standard_input_can_be_one_file_only() {
    let (code, out, err) = patchspan(&["replay", "-", "-"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("once only"), "{err}");
}

#[test]
fn kinds_of_record_are_chosen_for_json_alone() {
    let scratch = Scratch::new("cli-events");
    let file = scratch.file("a.pcap", capture());
    for format in ["text", "figure2", "summary"] {
        let (code, out, err) = patchspan(&["replay", "--format", format, "--events", "dns", &file]);
        assert_eq!((code, out.as_str()), (2, ""), "{format}");
        assert!(err.contains("--events"), "{err}");
    }
    let (code, ..) = patchspan(&["replay", "--format", "json", "--events", "dns", &file]);
    assert_eq!(code, 0);
}

#[test]
fn files_in_the_wrong_order_are_told() {
    let early = "pcaps/prototype-host-b.pcap.zst";
    let late = "pcaps/curl-http.pcap";
    let run = |flags: &[&str]| {
        let (code, _, err) = patchspan(&[&["replay", "--events", "stats"], flags].concat());
        assert_eq!(code, 0, "{err}");
        err
    };
    assert_eq!(run(&["--in-order", early, late]), "");
    assert_eq!(run(&[late, early]), "", "by time");
    let err = run(&["--in-order", late, early]);
    assert!(
        err.contains("warning: ") && err.contains("more than a second behind"),
        "{err}"
    );
}

#[test]
fn a_file_name_does_nothing_to_a_terminal() {
    let (code, _, err) = patchspan(&["replay", "evil\u{1b}[31m.pcap"]);
    assert_eq!(code, 4);
    assert!(
        err.contains("evil\\u{1b}[31m.pcap") && !err.contains('\u{1b}'),
        "{err}"
    );
}

#[test]
fn an_input_is_never_overwritten_by_the_output() {
    let scratch = Scratch::new("cli-overwrite");
    let file = scratch.file("a.pcap", capture());
    let other_name = scratch.0.join("same.pcap");
    std::os::unix::fs::symlink(&file, &other_name).unwrap();
    for output in [file.as_str(), other_name.to_str().unwrap()] {
        let (code, out, err) = patchspan(&["replay", "--output", output, &file]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains("is an input"), "{err}");
        assert_eq!(std::fs::read(&file).unwrap(), capture());
    }
}

#[test]
fn an_output_keeps_what_it_holds_where_no_input_can_be_read() {
    let scratch = Scratch::new("cli-kept");
    let output = scratch.file("out.jsonl", "old\n");
    let text = scratch.file("text.pcap", "no capture");
    let config = scratch.file("sensor.toml", "catalogue.directory = \"/nonexistent\"\n");
    let good = scratch.file("a.pcap", capture());
    for (arguments, expected) in [
        (&["/nonexistent.pcap"][..], 4),
        (&[&text], 4),
        (&["--config", &config, &good], 3),
    ] {
        let all = [&["replay", "--output", &output], arguments].concat();
        let (code, out, _) = patchspan(&all);
        assert_eq!((code, out.as_str()), (expected, ""), "{arguments:?}");
        assert_eq!(std::fs::read(&output).unwrap(), b"old\n", "{arguments:?}");
    }
    let (code, ..) = patchspan(&["replay", "--output", &output, "/nonexistent.pcap", &good]);
    assert_eq!(code, 4);
    let written = std::fs::read_to_string(&output).unwrap();
    assert!(written.starts_with("{\"timestamp\""), "{written}");
}

#[test]
fn an_output_of_a_dash_is_standard_output() {
    let scratch = Scratch::new("cli-dash");
    let file = scratch.file("a.pcap", capture());
    let (code, out, err) = patchspan(&["replay", "--output", "-", &file]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, patchspan(&["replay", &file]).1);
    assert!(!std::path::Path::new("-").exists());
}

#[test]
fn what_the_machine_cannot_give_is_refused_before_anything_is_read() {
    let scratch = Scratch::new("cli-memory");
    let config = scratch.file("sensor.toml", "memory = \"1TiB\"\n");
    let file = scratch.file("a.pcap", capture());
    for arguments in [
        &["check", &config][..],
        &["replay", "--config", &config, &file],
        &["doctor", "--config", &config, "--pcap", &file],
        &["run", "--config", &config, "--interface", "lo"],
    ] {
        let (code, out, err) = patchspan(arguments);
        assert_eq!((code, out.as_str()), (3, ""), "{err}");
        assert!(err.contains("memory = \"1TiB\": this machine has"), "{err}");
    }
}

#[test]
fn a_configuration_that_a_run_would_refuse_is_refused_by_the_check() {
    let scratch = Scratch::new("cli-check");
    let none = scratch.file("none.pem", "no certificate\n");
    let folder = scratch.0.file_name().unwrap().to_str().unwrap();
    let (one, same) = (
        scratch.0.join("a.json"),
        scratch.0.join(format!("../{folder}/a.json")),
    );
    let tls = |file: &str| {
        format!("[[output]]\nkind = \"tcp\"\naddress = \"a:1\"\ntls = true\nca_file = {file:?}\n")
    };
    let cases = [
        (
            "capture.interfaces = [\"tap0\", \"tap0\"]\n".to_owned(),
            "capture.interfaces[1]: has the value of capture.interfaces[0]",
        ),
        (
            tls(&none),
            "none.pem: holds no certificate: name a readable file",
        ),
        (tls("/nonexistent.pem"), "/nonexistent.pem: "),
        (
            format!(
                "[[output]]\nkind = \"file\"\nname = \"a\"\npath = {one:?}\n\
                 [[output]]\nkind = \"file\"\nname = \"b\"\npath = {same:?}\n"
            ),
            "a.json: is the file of output `a` too: each needs its own",
        ),
    ];
    for (text, expected) in cases {
        let config = scratch.file("sensor.toml", &text);
        let (code, out, err) = patchspan(&["check", &config]);
        assert_eq!((code, out.as_str()), (3, ""), "{text}");
        assert!(err.contains(expected), "{err}");
    }
    let config = scratch.file(
        "sensor.toml",
        "metrics.listen = \"unix:/nonexistent/metrics.sock\"\n",
    );
    let (code, out, _) = patchspan(&["check", &config]);
    assert_eq!(code, 0);
    assert!(
        out.contains("there is no directory /nonexistent now"),
        "{out}"
    );
}

#[test]
fn a_catalogue_directory_without_a_file_is_told_and_it_is_3() {
    let scratch = Scratch::new("cli-no-catalogue");
    let (code, out, err) = patchspan(&["catalogue", "check", scratch.0.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("holds no catalogue file"), "{err}");
}
