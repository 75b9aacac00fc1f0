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
        let path_fits = self
            .path
            .as_ref()
            .is_none_or(|pattern| path.is_some_and(|path| pattern.matches(path)));
        let agent_fits = self
            .agent
            .as_ref()
            .is_none_or(|pattern| agent.is_some_and(|agent| pattern.matches(agent)));
        path_fits && agent_fits
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

impl Endpoint {
    /// The first entry of `paths` that matches a request.
    pub fn request_rule(&self, path: Option<&[u8]>, agent: Option<&[u8]>) -> Option<&RequestRule> {
        self.paths.iter().find(|rule| rule.matches(path, agent))
    }

    /// The role of a contact with a request for `path` from a client that calls itself `agent` (both as on the wire), or without one.
    pub fn role_for(&self, path: Option<&[u8]>, agent: Option<&[u8]>) -> RoleOf {
        match self.request_rule(path, agent) {
            Some(rule) => RoleOf {
                role: rule.role,
                by_path: true,
                by_volume: false,
                endpoint: rule.leads_to,
            },
            None => RoleOf {
                role: self.role,
                by_path: false,
                by_volume: false,
                endpoint: None,
            },
        }
    }
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
