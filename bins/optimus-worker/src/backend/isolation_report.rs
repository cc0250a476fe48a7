//! What a host offers to native boxes, for a person and for a program.

use std::fmt;

use serde::Serialize;

/// Every layer of isolation, tried.
#[derive(Debug, Clone, Default, Serialize)]
pub struct IsolationReport {
    pub layers: Vec<IsolationLayer>,
    /// Why no layer could even be tried.
    pub trouble: Option<String>,
}

/// One layer.
#[derive(Debug, Clone, Serialize)]
pub struct IsolationLayer {
    /// As `native.allow_missing` takes it.
    pub name: String,
    /// What it stops.
    pub stops: String,
    pub state: LayerState,
    /// How it was proved, or why it is missing.
    pub detail: String,
    /// What to do about it, where it is missing.
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerState {
    /// A probe has shown that it holds.
    Proved,
    /// Missing, and the settings allow that.
    Allowed,
    Missing,
}

impl LayerState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Allowed => "missing, which is allowed",
            Self::Missing => "missing",
        }
    }
}

impl IsolationReport {
    /// Whether native boxes may be made.
    pub fn is_enough(&self) -> bool {
        self.trouble.is_none()
            && !self.layers.is_empty()
            && self.in_state(LayerState::Missing).next().is_none()
    }

    fn in_state(&self, state: LayerState) -> impl Iterator<Item = &IsolationLayer> {
        self.layers.iter().filter(move |layer| layer.state == state)
    }

    /// In a line.
    pub fn summary(&self) -> String {
        if let Some(trouble) = &self.trouble {
            return trouble.clone();
        }
        let names = |state| {
            let layers = self.in_state(state);
            let told: Vec<_> = layers
                .map(|layer| format!("{} ({})", layer.name, layer.detail))
                .collect();
            told.join(", ")
        };
        if self.in_state(LayerState::Missing).next().is_some() {
            format!("this host lacks {}", names(LayerState::Missing))
        } else if self.in_state(LayerState::Allowed).next().is_some() {
            format!("every layer but the allowed {}", names(LayerState::Allowed))
        } else {
            "every layer of isolation is proved".to_owned()
        }
    }
}

/// What is missing and what to do about it, a line for each.
impl fmt::Display for IsolationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(trouble) = &self.trouble {
            return f.write_str(trouble);
        }
        for (index, layer) in self.in_state(LayerState::Missing).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{} is missing: {}", layer.name, layer.detail)?;
            if let Some(remedy) = &layer.remedy {
                write!(f, ". {remedy}")?;
            }
        }
        Ok(())
    }
}
