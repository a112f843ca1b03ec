//! Where Helm keeps repositories, indexes and credentials, by flags, variables and defaults.
//!
//! Source: Helm 3.22 `pkg/helmpath/lazypath.go` and `pkg/cli/environment.go`.

use std::path::{Path, PathBuf};

use super::global::GlobalArgs;
use crate::registry::Places;

impl GlobalArgs {
    /// Returns the places that are shared with Helm.
    pub(crate) fn places(&self) -> Places {
        places(self, |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        })
    }
}

fn places(global: &GlobalArgs, variable: impl Fn(&str) -> Option<PathBuf>) -> Places {
    let home = variable("HOME").unwrap_or_default();
    let folder = |helm: &str, xdg: &str, default: &str| {
        variable(helm).unwrap_or_else(|| {
            variable(xdg)
                .unwrap_or_else(|| home.join(default))
                .join("helm")
        })
    };
    let config = folder("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", ".config");
    let cache = folder("HELM_CACHE_HOME", "XDG_CACHE_HOME", ".cache");
    let given = |path: &Option<PathBuf>| path.clone().filter(|path| path != Path::new(""));
    Places {
        repositories: given(&global.repository_config)
            .unwrap_or_else(|| config.join("repositories.yaml")),
        cache: given(&global.repository_cache).unwrap_or_else(|| cache.join("repository")),
        registry_config: given(&global.registry_config)
            .unwrap_or_else(|| config.join("registry/config.json")),
        docker_config: variable("DOCKER_CONFIG")
            .unwrap_or_else(|| home.join(".docker"))
            .join("config.json"),
    }
}

/// Returns now as Go prints it in the files that are shared with Helm.
pub(crate) fn now() -> String {
    let now = chrono::Local::now().to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    chart::go::shorten_fraction(&now)
}

/// Returns the file of public keys that Helm takes unless told otherwise.
pub(crate) fn default_keyring() -> PathBuf {
    match std::env::var_os("GNUPGHOME") {
        Some(folder) => PathBuf::from(folder).join("pubring.gpg"),
        None => {
            let home = std::env::var_os("HOME").unwrap_or_default();
            PathBuf::from(home).join(".gnupg/pubring.gpg")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        global: GlobalArgs,
    }

    fn with(flags: &[&str], variables: &[(&str, &str)]) -> Places {
        let parsed = Flags::parse_from([&["deployer"], flags].concat());
        places(&parsed.global, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    fn flags_win_over_helms_variables_and_these_over_those_of_the_desktop() {
        let home = ("HOME", "/home/me");
        let plain = with(&[], &[home]);
        assert_eq!(
            plain.repositories,
            Path::new("/home/me/.config/helm/repositories.yaml")
        );
        assert_eq!(plain.cache, Path::new("/home/me/.cache/helm/repository"));
        assert_eq!(
            plain.docker_config,
            Path::new("/home/me/.docker/config.json")
        );
        let xdg = with(
            &[],
            &[home, ("XDG_CONFIG_HOME", "/x"), ("XDG_CACHE_HOME", "/y")],
        );
        assert_eq!(
            xdg.registry_config,
            Path::new("/x/helm/registry/config.json")
        );
        assert_eq!(xdg.cache, Path::new("/y/helm/repository"));
        let helm = with(
            &["--repository-cache", "/flag"],
            &[home, ("XDG_CONFIG_HOME", "/x"), ("HELM_CONFIG_HOME", "/h")],
        );
        assert_eq!(helm.repositories, Path::new("/h/repositories.yaml"));
        assert_eq!(helm.cache, Path::new("/flag"));
    }
}
