//! `oci://REGISTRY/NAME:TAG@sha256:…`, as an operator writes it.

use std::fmt;

use crate::Digest;

/// What every reference begins with.
pub const SCHEME: &str = "oci://";

/// Where a module is in a registry. It names the registry, and a tag or a digest or both; with both, the digest counts.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    pub(crate) inner: oci_client::Reference,
    digest: Option<Digest>,
}

/// Why a text is no [`Reference`]: what is wrong, and what to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceFault {
    /// No host in front.
    #[error(
        "names no registry; write oci://REGISTRY/NAME:TAG, and behind it @sha256:DIGEST of what is to be loaded"
    )]
    NoRegistry,
    /// Neither tag nor digest; `latest` is nobody's intention here.
    #[error(
        "has neither a tag nor a digest; write oci://REGISTRY/NAME:TAG, and behind it @sha256:DIGEST of what is to be loaded"
    )]
    NoVersion,
    /// A user, with a password perhaps.
    #[error(
        "has a user before its registry; write oci://REGISTRY/NAME:TAG, and credentials under [registry]"
    )]
    User,
    /// A digest that is none.
    #[error(
        "has a digest that is not sha256: and 64 of 0-9 and a-f; copy it as `sendgate policy push` printed it"
    )]
    Digest,
    /// Anything else.
    #[error(
        "is no reference; write oci://REGISTRY/NAME:TAG@sha256:DIGEST, the name in a-z, 0-9 and separators, the tag of \
         at most 128 characters"
    )]
    Shape,
}

impl Reference {
    /// Reads `oci://REGISTRY/NAME:TAG@sha256:DIGEST`; tag or digest may be left out.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ReferenceFault> {
        let rest = text.strip_prefix(SCHEME).ok_or(ReferenceFault::Shape)?;
        let (host, _) = rest.split_once('/').ok_or(ReferenceFault::NoRegistry)?;
        // Without this, what has no host would be looked for at the public registry of another company.
        if host != "localhost" && !host.contains(['.', ':']) {
            return Err(ReferenceFault::NoRegistry);
        }
        let written = rest.split_once('@').map(|(_, digest)| digest);
        // No digest has one: that was a user before the host.
        if written.is_some_and(|behind| behind.contains('/')) {
            return Err(ReferenceFault::User);
        }
        let digest = match written {
            Some(digest) => Some(Digest::parse(digest).ok_or(ReferenceFault::Digest)?),
            None => None,
        };
        let inner: oci_client::Reference = rest.parse().map_err(|_| ReferenceFault::Shape)?;
        // The parser puts `latest` where there is nothing.
        if digest.is_none() && inner.tag().is_none_or(|tag| !rest.ends_with(&format!(":{tag}"))) {
            return Err(ReferenceFault::NoVersion);
        }
        Ok(Self { inner, digest })
    }

    /// The registry's host, with its port where one is written.
    pub fn host(&self) -> &str {
        self.inner.registry()
    }

    /// What pins it to one content, where it is pinned.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The tag, where there is one.
    pub fn tag(&self) -> Option<&str> {
        self.inner.tag()
    }

    /// The same, pinned to `digest`.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        let mut inner = self.by_digest(digest);
        if let Some(tag) = self.tag() {
            inner = oci_client::Reference::with_tag_and_digest(
                inner.registry().into(),
                inner.repository().into(),
                tag.into(),
                digest.to_string(),
            );
        }
        Self { inner, digest: Some(digest) }
    }

    /// What is called `digest` in the same repository.
    pub(crate) fn by_digest(&self, digest: Digest) -> oci_client::Reference {
        self.inner.clone_with_digest(digest.to_string())
    }

    /// What is called `tag` in the same repository.
    pub(crate) fn by_tag(&self, tag: String) -> oci_client::Reference {
        let (host, name) = (self.inner.registry(), self.inner.repository());
        oci_client::Reference::with_tag(host.into(), name.into(), tag)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.inner)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Reference, ReferenceFault};
    use crate::Digest;

    #[test]
    fn a_reference_is_shown_as_it_was_written() {
        let digest = Digest::of(b"");
        let tag = "oci://127.0.0.1:5000/team/words:1.2";
        let both = format!("{tag}@{digest}");
        let pinned = format!("oci://registry.example.com/words@{digest}");
        for (text, host, tag, digest) in [
            (tag, "127.0.0.1:5000", Some("1.2"), None),
            (both.as_str(), "127.0.0.1:5000", Some("1.2"), Some(digest)),
            (pinned.as_str(), "registry.example.com", None, Some(digest)),
            ("oci://localhost/words:latest", "localhost", Some("latest"), None),
        ] {
            let reference = Reference::parse(text).expect(text);
            let parts = (reference.host(), reference.tag(), reference.digest());
            assert_eq!((reference.to_string().as_str(), parts), (text, (host, tag, digest)));
        }
        let found = Reference::parse(tag).expect(tag).at(digest).to_string();
        assert_eq!(found, both, "what a tag is at present");
    }

    #[test]
    fn what_is_no_reference_is_refused_by_what_is_missing() {
        use ReferenceFault::{Digest, NoRegistry, NoVersion, Shape, User};
        for (text, wanted) in [
            ("words.wasm", Shape),
            ("oci://", NoRegistry),
            ("oci://words:1", NoRegistry),
            ("oci://team/words:1", NoRegistry),
            ("oci://localhost:5000/words", NoVersion),
            ("oci://a.b/words:", Shape),
            ("oci://a.b/Words:1", Shape),
            ("oci://a.b/words:1 ", Shape),
            ("oci://user:secret@a.b/words:1", User),
            ("oci://a.b/words:1@sha256:12", Digest),
            ("oci://a.b/words:1@sha512:12", Digest),
        ] {
            assert_eq!(Reference::parse(text), Err(wanted), "{text}");
        }
    }
}
