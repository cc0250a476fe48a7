//! The one shape of every language's Dockerfile.

use std::fmt;

use optimus_common::{
    box_layout::{ENTRY_POINT, TOOLCHAIN_FILE, USERS_DIR},
    language::Language,
    language_assets::PREPARE,
};

/// An image that is Debian and nothing else, as its name tells: the language's packages are installed on it.
pub(crate) fn is_plain_debian(image: &str) -> bool {
    image
        .rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with("debian"))
}

/// The text of a language's Dockerfile. The build's arguments are defaults here, so that it also builds by hand.
#[derive(Debug)]
pub struct Dockerfile<'a> {
    /// The language's name as people write it.
    pub title: &'a str,
    pub language: &'a Language,
    /// Lines after the packages; may be empty.
    pub prepare: &'a str,
    /// What lies beside it for the boxes, with the script among them that prepares them.
    pub files: &'a [&'a str],
}

impl fmt::Display for Dockerfile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Language { name, build, .. } = self.language;
        let packages = if is_plain_debian(&build.base_image) {
            build.debian_packages.join(" ")
        } else {
            String::new()
        };
        let own = match self.prepare.trim() {
            "" => String::new(),
            lines => format!("\n{lines}\n"),
        };
        let files: Vec<_> = self.files.iter().map(|file| format!("{name}/{file}")).collect();
        let prepare = if files.is_empty() {
            own
        } else {
            format!(
                "{own}\n# Done once here, it costs a job nothing.\n\
                 COPY {} /optimus/{name}/\n\
                 RUN cd /optimus/{name} && sh {PREPARE}\n",
                files.join(" ")
            )
        };
        write!(
            f,
            r#"# {title}: the box of its jobs.
# Context: the dockerfiles/ folder, with the agent optimus-runner built into it.
#   docker build -f dockerfiles/{name}/Dockerfile dockerfiles/
ARG BASE_IMAGE={base}
FROM ${{BASE_IMAGE}}
USER root

# Named where the base is a plain Debian.
ARG DEBIAN_PACKAGES="{packages}"
RUN if [ -n "$DEBIAN_PACKAGES" ]; then \
        apt-get update && apt-get install -y --no-install-recommends $DEBIAN_PACKAGES && rm -rf /var/lib/apt/lists/*; \
    fi
{prepare}
# The first line is what a worker reports as this image's toolchain.
ARG VERSION_COMMAND="{version_command}"
RUN mkdir -p /optimus && sh -c "$VERSION_COMMAND" > /{TOOLCHAIN_FILE} 2>&1

# Whoever runs in a box has a name there: the agent writes it when it has drawn the number.
RUN mkdir -p {USERS_DIR} && cp /etc/passwd /etc/group {USERS_DIR}/ && ln -sf {USERS_DIR}/passwd {USERS_DIR}/group /etc/

COPY runner.sh optimus-runner /optimus/
ENTRYPOINT ["{ENTRY_POINT}"]
"#,
            title = self.title,
            base = build.base_image,
            version_command = quoted(&build.version_command),
        )
    }
}

/// For the inside of double quotes of an `ARG`, where Docker expands variables.
fn quoted(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', r#"\""#)
        .replace('$', r"\$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_debians_are_known_by_name() {
        for plain in [
            "debian:bookworm-slim",
            "optimus/debian-base:bookworm",
            "host:5000/x/debian",
        ] {
            assert!(is_plain_debian(plain), "{plain}");
        }
        for other in ["python:3.12-slim-bookworm", "debian/tools:1", "gcc:14"] {
            assert!(!is_plain_debian(other), "{other}");
        }
    }

    #[test]
    fn a_version_command_survives_its_quotes() {
        assert_eq!(
            quoted(r#"perl -e "print $^V" \n"#),
            r#"perl -e \"print \$^V\" \\n"#
        );
    }
}
