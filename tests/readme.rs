//! What the README shows is what the program prints.
//!
//! In a block, a line that begins with `$ patchspan` is a command; below it stands its output, up to the next command or the end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

/// A command and the output shown below it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    /// Line of the command, from 1.
    line: usize,
    command: String,
    output: String,
}

/// Every command of `text` with what is shown below it.
fn shown(text: &str) -> Vec<Shown> {
    let lines: Vec<&str> = text.lines().collect();
    let output = |at: usize| {
        let below = lines.get(at..).unwrap_or_default().iter();
        let output = below.take_while(|line| !line.starts_with("$ ") && **line != "```");
        let output: String = output.map(|line| format!("{line}\n")).collect();
        format!("{}\n", output.trim_end())
    };
    let found = lines.iter().enumerate().filter_map(|(at, line)| {
        Some(Shown {
            line: at + 1,
            command: line.strip_prefix("$ patchspan ")?.to_owned(),
            output: output(at + 1),
        })
    });
    found.collect()
}

/// Words as a shell takes them, as far as the README needs it: double quotes keep a word together.
fn words(command: &str) -> Vec<String> {
    let parts = command.split('"').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        1 => vec![part],
        _ => part.split_whitespace().collect(),
    });
    words.map(str::to_owned).collect()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    let shown = shown(&read("README.md"));
    assert_eq!(shown.len(), 3, "{shown:?}");
    for Shown {
        line,
        command,
        output,
    } in shown
    {
        let ran = Command::new(env!("CARGO_BIN_EXE_patchspan"))
            .args(words(&command))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(ran.status.success(), "README.md:{line}: {ran:?}");
        assert!(output.len() > 1, "README.md:{line} shows nothing");
        assert_eq!(
            output,
            String::from_utf8(ran.stdout).unwrap(),
            "README.md:{line}"
        );
    }
}

#[test]
fn the_readme_lists_every_exit_code_with_its_meaning() {
    let readme = read("README.md");
    for exit in patchspan::cli::Exit::ALL {
        let row = format!("| {} | {} |", exit.code(), exit.meaning());
        assert!(readme.contains(&row), "{row}");
    }
}

#[test]
fn what_the_readme_links_to_is_there() {
    let readme = read("README.md");
    let targets = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let files: Vec<&str> = targets.filter(|target| !target.contains("://")).collect();
    assert!(files.len() > 3, "{files:?}");
    for file in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        assert!(path.is_file(), "{file}");
    }
}

#[test]
fn a_command_is_read_with_what_stands_below_it() {
    let text =
        "# A\n```console\n$ patchspan a \"b c\" d\none\ntwo\n\n$ patchspan e\nthree\n```\nfour\n";
    let expected = [(3, "a \"b c\" d", "one\ntwo\n"), (7, "e", "three\n")];
    let expected = expected.map(|(line, command, output)| Shown {
        line,
        command: command.to_owned(),
        output: output.to_owned(),
    });
    assert_eq!(shown(text), expected);
    assert_eq!(words("a \"b c\" d"), ["a", "b c", "d"]);
}
