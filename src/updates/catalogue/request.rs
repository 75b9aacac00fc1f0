//! What a request over plain HTTP tells beyond the name: the role by path and User-Agent, and the rule that it really belongs to.

use super::pattern::{AgentPattern, PathPattern};
use super::{Endpoint, EndpointId, Role};

/// An entry of an endpoint's `paths`: requests that it catches, and what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRule {
    /// Paths; `None`: any.
    pub path: Option<PathPattern>,
    /// Clients by their User-Agent; `None`: any, and none.
    pub agent: Option<AgentPattern>,
    /// The role of such a request.
    pub role: Role,
    /// The endpoint that such a request belongs to, where it is another one than that of the name.
    pub leads_to: Option<EndpointId>,
}

/// The role of one contact, and what told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleOf {
    /// The role.
    pub role: Role,
    /// Whether a path or a User-Agent told it.
    pub by_path: bool,
    /// Whether a large burst told it.
    pub by_volume: bool,
    /// The endpoint that the request leads to, where it is another one than that of the name.
    pub endpoint: Option<EndpointId>,
}

impl RequestRule {
    /// Whether a request matches: what the rule asks for and the request does not tell does not.
    pub fn matches(&self, path: Option<&[u8]>, agent: Option<&[u8]>) -> bool {
        let agent_fits = self
            .agent
            .as_ref()
            .is_none_or(|pattern| agent.is_some_and(|agent| pattern.matches(agent)));
        let path_fits = |pattern: &PathPattern| path.is_some_and(|path| pattern.matches(path));
        agent_fits && self.path.as_ref().is_none_or(path_fits)
    }

    /// Whether it matches every request that `other` matches.
    pub fn covers(&self, other: &Self) -> bool {
        let (path, agent) = (other.path.as_ref(), other.agent.as_ref());
        let paths_fit = self
            .path
            .as_ref()
            .is_none_or(|own| path.is_some_and(|path| own.covers(path)));
        let agents_fit = self
            .agent
            .as_ref()
            .is_none_or(|own| agent.is_some_and(|agent| own.covers(agent)));
        paths_fit && agents_fit
    }
}

/// Where a request leads by an entry of one of `anywhere`; the last of them wins, as local files come behind the shipped ones.
pub(super) fn leading_anywhere(
    anywhere: &[EndpointId],
    endpoints: &[Endpoint],
    path: &[u8],
    agent: Option<&[u8]>,
) -> Option<EndpointId> {
    let ids = anywhere.iter().rev();
    let mut any = ids.filter_map(|id| endpoints.get(id.0 as usize));
    any.find_map(|any| any.request_rule(Some(path), agent))?
        .leads_to
}

impl Endpoint {
    /// The first entry of `paths` that matches a request.
    pub fn request_rule(&self, path: Option<&[u8]>, agent: Option<&[u8]>) -> Option<&RequestRule> {
        self.paths.iter().find(|rule| rule.matches(path, agent))
    }

    /// The role of a contact with a request for `path` from a client that calls itself `agent` (both as on the wire), or without one.
    pub fn role_for(&self, path: Option<&[u8]>, agent: Option<&[u8]>) -> RoleOf {
        let rule = self.request_rule(path, agent);
        let told = RoleOf {
            role: rule.map_or(self.role, |rule| rule.role),
            by_path: rule.is_some(),
            by_volume: false,
            endpoint: rule.and_then(|rule| rule.leads_to),
        };
        if self.is_list(path, agent) {
            return RoleOf {
                role: Role::Check,
                by_path: true,
                ..told
            };
        }
        told
    }

    /// Whether a request is for a list of packages where files are fetched otherwise.
    pub fn is_list(&self, path: Option<&[u8]>, agent: Option<&[u8]>) -> bool {
        let role = self
            .request_rule(path, agent)
            .map_or(self.role, |rule| rule.role);
        role == Role::Download && path.is_some_and(is_list)
    }
}

/// Names of lists of packages: of Debian's form (<https://wiki.debian.org/DebianRepository/Format>), of OpenWrt's, Alpine's, RPM's and
/// FreeBSD's.
#[rustfmt::skip] // A list reads better in lines than one entry a line.
const LISTS: [&[u8]; 33] = [
    b"InRelease", b"Release", b"Release.gpg",
    b"Packages", b"Packages.gz", b"Packages.xz", b"Packages.bz2", b"Packages.lzma", b"Packages.zst",
    b"Sources", b"Sources.gz", b"Sources.xz", b"Sources.bz2", b"Sources.lzma", b"Sources.zst",
    b"Packages.sig", b"Packages.asc", b"Packages.manifest", b"packages.adb",
    b"APKINDEX.tar.gz", b"repomd.xml", b"repomd.xml.asc",
    b"meta.conf", b"meta.txz", b"data.pkg", b"data.txz", b"data.tzst",
    b"packagesite.pkg", b"packagesite.txz", b"packagesite.tzst", b"filesite.pkg", b"filesite.txz", b"filesite.tzst",
];
/// Folders of others, which have names of their own.
const LIST_FOLDERS: [&[u8]; 4] = [
    b"/by-hash/",
    b"/Packages.diff/",
    b"/Sources.diff/",
    b"/repodata/",
];
/// Beginnings of names below Debian's `dists`.
const LISTS_BELOW_DISTS: [&[u8]; 2] = [b"Contents-", b"Translation-"];

/// Whether a path, as on the wire, is that of a list of packages: a client that reads it asks what there is.
fn is_list(path: &[u8]) -> bool {
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_in = |folder: &&[u8]| memchr::memmem::find(path, folder).is_some();
    let begins = |start: &&[u8]| name.starts_with(start);
    LISTS.contains(&name)
        || LIST_FOLDERS.iter().any(is_in)
        || (LISTS_BELOW_DISTS.iter().any(begins) && is_in(&b"/dists/".as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::updates::catalogue::{Catalogue, SourceFile};

    const MIRROR: &str = r#"[vendor]
id = "v"
[[product]]
id = "unknown"
title = "V (several products)"
security = "mixed"
[[product.endpoint]]
id = "mirror"
patterns = ["mirror.example.com"]
role = "metadata"
paths = [
  { path = "/debian/pool/*", role = "download", rule = "v/apt/packages" },
  { agent = "APT/*", role = "check" },
  { path = "/iso/*", agent = "Wget*", role = "ignore" },
]
[[product]]
id = "apt"
title = "apt"
security = "yes"
[[product.endpoint]]
id = "packages"
patterns = []
role = "download"
"#;

    fn read(text: &str) -> Result<Catalogue, Vec<String>> {
        let file = SourceFile {
            name: "v.toml".to_owned(),
            text: text.to_owned(),
        };
        let errors = |errors: Vec<_>| errors.iter().map(ToString::to_string).collect();
        Catalogue::from_files("test", &[file]).map_err(errors)
    }

    fn told(
        catalogue: &Catalogue,
        path: Option<&str>,
        agent: Option<&str>,
    ) -> (Role, bool, String) {
        let id = catalogue.find("mirror.example.com").unwrap();
        let endpoint = catalogue.endpoint(id).unwrap();
        let told = endpoint.role_for(path.map(str::as_bytes), agent.map(str::as_bytes));
        let rule = &catalogue
            .endpoint(told.endpoint.unwrap_or(id))
            .unwrap()
            .rule;
        (told.role, told.by_path, rule.clone())
    }

    #[test]
    fn a_path_and_an_agent_tell_the_role_and_the_rule() {
        let catalogue = read(MIRROR).unwrap();
        let told = |path, agent| told(&catalogue, path, agent);
        let mirror = || "v/unknown/mirror".to_owned();
        assert_eq!(
            told(Some("/debian/pool/a.deb"), Some("APT/2")),
            (Role::Download, true, "v/apt/packages".to_owned()),
            "the first that matches"
        );
        assert_eq!(
            told(Some("/x"), Some("APT/2")),
            (Role::Check, true, mirror())
        );
        assert_eq!(
            told(Some("/iso/a"), Some("Wget/1")),
            (Role::Ignore, true, mirror())
        );
        assert_eq!(
            told(Some("/iso/a"), Some("curl/8")),
            (Role::Metadata, false, mirror())
        );
        assert_eq!(
            told(Some("/iso/a"), None),
            (Role::Metadata, false, mirror())
        );
        assert_eq!(told(None, None), (Role::Metadata, false, mirror()));
    }

    #[test]
    fn a_list_of_packages_is_no_package_whatever_the_folder_is_for() {
        let catalogue = read(MIRROR).unwrap();
        let role = |path: &str| told(&catalogue, Some(&format!("/debian/pool{path}")), None);
        for list in [
            "/InRelease",
            "/Packages.gz",
            "/Release.gpg",
            "/x/Packages.diff/T-2026-F-2026.gz",
            "/main/by-hash/SHA256/0a",
            "/repodata/0a-primary.xml.zst",
            "/v3.20/main/x86_64/APKINDEX.tar.gz",
            "/latest/packagesite.pkg",
            "/packages/Packages.sig?a=/b.ipk",
        ] {
            let (role, by_path, rule) = role(list);
            let told = (role, by_path, rule.as_str());
            assert_eq!(told, (Role::Check, true, "v/apt/packages"), "{list}");
        }
        for file in [
            "/Packages.deb",
            "/Release.exe",
            "/data.pkg.xz",
            "/hello.deb?a=/InRelease",
        ] {
            assert_eq!(role(file).0, Role::Download, "{file}");
        }
    }

    const ANYWHERE: &str = r#"
[[product.endpoint]]
id = "anywhere"
role = "metadata"
patterns = []
any_host = true
paths = [{ path = "*.deb", agent = "APT/*", role = "download", rule = "v/apt/packages" }]
not = ["mirror.example.com /b.deb APT/2"]
"#;

    #[test]
    fn what_a_client_fetches_elsewhere_is_told_by_path_and_agent() {
        let text = format!("{MIRROR}{ANYWHERE}");
        let catalogue = read(&text).unwrap();
        let rule = |path: &str, agent: Option<&str>| {
            let agent = agent.map(str::as_bytes);
            let id = catalogue.find_request(path.as_bytes(), agent)?;
            Some(catalogue.endpoint(id)?.rule.as_str())
        };
        assert_eq!(rule("/x/a.deb", Some("APT/2")), Some("v/apt/packages"));
        for (path, agent) in [
            ("/x/a.deb", Some("curl/8")),
            ("/x/a.deb", None),
            ("/x/a", Some("APT/2")),
        ] {
            assert_eq!(rule(path, agent), None, "{path} {agent:?}");
        }
        let what = "an entry of an endpoint for any host has a path, an agent and a rule";
        for part in [
            "path = \"*.deb\", ",
            "agent = \"APT/*\", ",
            ", rule = \"v/apt/packages\" }]",
        ] {
            let closed = if part.ends_with(']') { " }]" } else { "" };
            let open = format!("{MIRROR}{}", ANYWHERE.replace(part, closed));
            let errors = read(&open).unwrap_err();
            assert!(
                errors.iter().any(|error| error.contains(what)),
                "{errors:?}"
            );
        }
        let named = ANYWHERE.replace("patterns = []", "patterns = [\"a.example.net\"]");
        let errors = read(&format!("{MIRROR}{named}")).unwrap_err();
        assert!(
            errors
                .iter()
                .any(|error| error.contains("an endpoint for any host has no patterns")),
            "{errors:?}"
        );
    }

    #[test]
    fn links_stay_true_over_a_reload() {
        let old = read(MIRROR).unwrap();
        let apt = MIRROR.split("[[product]]\nid = \"apt\"").nth(1).unwrap();
        let turned = format!(
            "[vendor]\nid = \"v\"\n[[product]]\nid = \"apt\"{apt}[[product]]{}",
            MIRROR.split("[[product]]").nth(1).unwrap()
        );
        let new = read(&turned).unwrap().succeeding(&old);
        let (_, _, rule) = told(&new, Some("/debian/pool/a.deb"), None);
        assert_eq!(rule, "v/apt/packages");
    }

    #[test]
    fn what_leads_nowhere_and_what_nothing_leads_to_are_errors() {
        let errors = read(&MIRROR.replace("rule = \"v/apt/packages\"", "rule = \"v/apt/none\""))
            .unwrap_err();
        assert!(
            errors[0].starts_with("v.toml:12:56: no endpoint v/apt/none"),
            "{errors:?}"
        );
        assert!(
            errors[1].starts_with("v.toml:21:6: unreachable: no pattern"),
            "{errors:?}"
        );
        let errors = read(&MIRROR.replace("{ agent = \"APT/*\", role", "{ role")).unwrap_err();
        assert!(
            errors[0].contains("an entry of paths has a path, an agent, or both"),
            "{errors:?}"
        );
        let errors = read(&MIRROR.replace("APT/*", "*")).unwrap_err();
        assert!(errors[0].contains("of more than stars"), "{errors:?}");
    }
}
