//! What isolates a box, layer by layer, each one proved by a program that tries to break out of it.

mod layer;
mod probe;
mod verifier;

use optimus_common::{WorkerId, causes};

use self::layer::Need;
pub use self::layer::{Layer, LayerReport, LayerState, PROBE_ARG};
pub(super) use self::{probe::main as probe_main, verifier::verify};
use super::{client::SpawnerClient, error::NativeError};
use crate::settings::NativeSettings;

/// Tries every layer in boxes of a spawner of its own. An error means that not even a box could be made.
pub async fn probe_host(settings: &NativeSettings) -> Result<Vec<LayerReport>, NativeError> {
    let client = SpawnerClient::start(settings, WorkerId::new())
        .await
        .map_err(|error| NativeError::Host(causes(&error)))?;
    verify(&client).await
}

/// The layers that the settings allow to be missing.
pub fn allowed(settings: &NativeSettings) -> Result<Vec<Layer>, NativeError> {
    let layers = settings.allow_missing.iter().map(|name| {
        let layer = Layer::named(name).ok_or_else(|| NativeError::UnknownLayer(name.clone()))?;
        match layer.need() {
            Need::Wanted => Ok(layer),
            Need::Indispensable => Err(NativeError::Indispensable(layer.name())),
        }
    });
    layers.collect()
}

/// Fails for the first layer that is missing and not allowed to be.
pub(super) fn refuse_missing(reports: &[LayerReport], allowed: &[Layer]) -> Result<(), NativeError> {
    reports.iter().try_for_each(|report| match &report.state {
        LayerState::Missing { reason, remedy } if !allowed.contains(&report.layer) => {
            Err(NativeError::LayerMissing {
                layer: report.layer.name(),
                reason: reason.clone(),
                remedy: remedy.clone(),
            })
        }
        _ => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(allow_missing: &[&str]) -> NativeSettings {
        let mut settings = optimus_settings::defaults_of::<NativeSettings>("native");
        settings.allow_missing = allow_missing.iter().map(ToString::to_string).collect();
        settings
    }

    fn missing(layer: Layer) -> LayerReport {
        LayerReport {
            layer,
            state: LayerState::Missing {
                reason: "none".to_owned(),
                remedy: "some".to_owned(),
            },
        }
    }

    #[test]
    fn no_two_layers_share_a_name() {
        for layer in Layer::ALL {
            assert_eq!(Layer::named(layer.name()), Some(layer));
        }
    }

    #[test]
    fn only_layers_that_boxes_can_do_without_may_be_allowed_to_be_missing() {
        assert_eq!(allowed(&settings(&["landlock"])).unwrap(), [Layer::Landlock]);
        let unknown = allowed(&settings(&["landlok"])).unwrap_err();
        assert!(matches!(unknown, NativeError::UnknownLayer(name) if name == "landlok"));
        let indispensable = allowed(&settings(&["seccomp"])).unwrap_err();
        assert!(matches!(indispensable, NativeError::Indispensable("seccomp")));
    }

    #[test]
    fn a_missing_layer_is_refused_unless_it_is_allowed() {
        let reports = [missing(Layer::GuestUids), missing(Layer::Landlock)];
        let refused = refuse_missing(&reports, &[Layer::GuestUids]).unwrap_err();
        assert!(matches!(
            refused,
            NativeError::LayerMissing {
                layer: "landlock",
                ..
            }
        ));
        refuse_missing(&reports, &[Layer::GuestUids, Layer::Landlock]).unwrap();
    }
}
