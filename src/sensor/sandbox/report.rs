//! What holds, in the kernel's words where it has any: `/proc/thread-self/status`.

use std::fs;

use super::files::Closed;
use super::rights::Who;

const STATUS: &str = "/proc/thread-self/status";
/// CAP_NET_RAW (linux/capability.h), as a set.
const NET_RAW: u64 = 1 << 13;
/// SECCOMP_MODE_FILTER.
const FILTERED: u64 = 2;

/// What this process has given up.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// User and group, by their names: inside, the lists of both may be out of reach.
    user: Who,
    /// Landlock; `None`: not asked for.
    pub(super) files: Option<Closed>,
    /// Filters of system calls; `None`: not asked for, or not to be had.
    pub(super) calls: Option<usize>,
    parts: Vec<Part>,
}

/// One thing that holds, or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is about: one word or two.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// How, or why not.
    pub how: String,
}

/// The lines of a status file that tell of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Status {
    effective: u64,
    permitted: u64,
    inheritable: u64,
    ambient: u64,
    no_new_privs: u64,
    seccomp: u64,
}

impl Report {
    pub(super) fn of(user: Who) -> Self {
        Self {
            user,
            ..Self::default()
        }
    }

    /// What holds and what does not.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// A line for the log.
    pub fn summary(&self) -> String {
        let held = self.parts.iter().filter(|part| part.holds);
        let held: Vec<&str> = held.map(|part| part.how.as_str()).collect();
        let lacking = self.lacking();
        let mut line = format!("rights: {}", held.join("; "));
        if !lacking.is_empty() {
            line += &format!("; NOT limited: {}", lacking.join("; "));
        }
        line
    }

    /// What does not hold, and why.
    pub(super) fn lacking(&self) -> Vec<String> {
        let lacking = self.parts.iter().filter(|part| !part.holds);
        lacking
            .map(|part| format!("{}: {}", part.name, part.how))
            .collect()
    }

    /// Looks what became of this process.
    pub(super) fn ask_the_kernel(&mut self) {
        let status = fs::read_to_string(STATUS).ok();
        let status = status.as_deref().and_then(Status::parse);
        self.parts = vec![self.user()];
        match status {
            Some(status) => self.parts.extend(status.parts(self.calls)),
            None => self.parts.push(Part {
                name: "capabilities",
                holds: false,
                how: format!("{STATUS} cannot be read"),
            }),
        }
        self.parts.extend(self.landlock());
    }

    fn user(&self) -> Part {
        let Who {
            user,
            group,
            is_root,
        } = &self.user;
        Part {
            name: "user",
            holds: !is_root,
            how: format!("user {user}, group {group}"),
        }
    }

    fn landlock(&self) -> [Part; 2] {
        let part = |name, holds, how| Part { name, holds, how };
        let no = |why: &str| [("files", why), ("tcp", why)].map(|(n, w)| part(n, false, w.into()));
        match &self.files {
            None => no("`sandbox.enabled = false`"),
            Some(Closed::No(why)) => no(why),
            Some(Closed::Files { version, tcp }) => [
                part("files", true, format!("files by Landlock (ABI {version})")),
                if *tcp {
                    part("tcp", true, "TCP ports by Landlock".to_owned())
                } else {
                    let why = format!("Landlock knows TCP from ABI 4 on, this is {version}");
                    part("tcp", false, why)
                },
            ],
        }
    }
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str, radix| {
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            u64::from_str_radix(value?.trim(), radix).ok()
        };
        Some(Self {
            effective: field("CapEff", 16)?,
            permitted: field("CapPrm", 16)?,
            inheritable: field("CapInh", 16)?,
            ambient: field("CapAmb", 16)?,
            no_new_privs: field("NoNewPrivs", 10)?,
            seccomp: field("Seccomp", 10)?,
        })
    }

    fn parts(self, filters: Option<usize>) -> [Part; 3] {
        let others = (self.effective | self.permitted | self.inheritable | self.ambient) & !NET_RAW;
        let part = |name, holds, how: &str| Part {
            name,
            holds,
            how: how.to_owned(),
        };
        let capabilities = match (others, self.effective & NET_RAW) {
            (0, NET_RAW) => part("capabilities", true, "CAP_NET_RAW alone"),
            (0, _) => part("capabilities", true, "no capability, not even CAP_NET_RAW"),
            _ => Part {
                name: "capabilities",
                holds: false,
                how: format!("more than CAP_NET_RAW: {others:#x}"),
            },
        };
        let privileges = if self.no_new_privs == 1 {
            part("no_new_privs", true, "no new privileges")
        } else {
            part("no_new_privs", false, "programs may bring new privileges")
        };
        let calls = match filters {
            Some(filters) if self.seccomp == FILTERED => Part {
                name: "calls",
                holds: true,
                how: format!("system calls by seccomp ({filters} filters)"),
            },
            _ => part("calls", false, "no filter of ours"),
        };
        [capabilities, privileges, calls]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITED: &str = "Name:\tpatchspan\nCapInh:\t0000000000000000\nCapPrm:\t0000000000002000\n\
        CapEff:\t0000000000002000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n\
        Seccomp_filters:\t3\n";

    fn holds(text: &str, filters: Option<usize>) -> [bool; 3] {
        let status = Status::parse(text).unwrap();
        status.parts(filters).map(|part| part.holds)
    }

    #[test]
    fn what_the_kernel_tells_is_what_holds() {
        assert_eq!(holds(LIMITED, Some(3)), [true; 3]);
        let more = LIMITED.replace("CapPrm:\t0000000000002000", "CapPrm:\t0000000000003000");
        assert_eq!(holds(&more, Some(3)), [false, true, true]);
        let none = LIMITED.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0");
        assert_eq!(holds(&none, Some(3)), [true, false, true]);
        assert_eq!(holds(LIMITED, None), [true, true, false]);
        let open = LIMITED.replace("Seccomp:\t2", "Seccomp:\t0");
        assert_eq!(holds(&open, Some(3)), [true, true, false]);
        assert_eq!(Status::parse("Name:\tpatchspan\n"), None);
    }

    #[test]
    fn a_kernel_that_knows_less_is_told_so() {
        let told = |files| Report {
            files,
            ..Report::default()
        };
        let old = told(Some(Closed::Files {
            version: 2,
            tcp: false,
        }));
        assert_eq!(old.landlock().map(|part| part.holds), [true, false]);
        let none = told(Some(Closed::No("the kernel has no Landlock")));
        assert_eq!(none.landlock().map(|part| part.holds), [false, false]);
        assert_eq!(told(None).landlock().map(|part| part.holds), [false, false]);
    }

    #[test]
    fn a_summary_tells_what_is_missing() {
        let mut report = Report::default();
        report.parts.push(report.user());
        report.parts.extend(report.landlock());
        let said = report.summary();
        assert!(said.starts_with("rights: "), "{said}");
        assert!(
            said.contains("NOT limited: ") && said.ends_with("tcp: `sandbox.enabled = false`"),
            "{said}"
        );
    }
}
