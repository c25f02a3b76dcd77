//! Rewrites what was planned, and tells of it.

use anyhow::{Result, anyhow};
use caffe2::files;
use caffe2_transform::quantize::{QuantizeError, quantize};

use super::compare::{Change, compare};
use super::plan::Plan;
use super::report;
use crate::names::nearest;
use crate::progress::Progress;
use crate::stdout;

/// Rewrites the init net, compares, writes, and prints the report.
pub(super) fn act(plan: Plan, progress: Progress) -> Result<()> {
    progress.phase("choosing codes");
    let quantized = quantize(&plan.init, &plan.net, &plan.options).map_err(|error| explain(error, &plan))?;
    let changes = match &plan.comparison {
        Some(comparison) => compare(&plan, &quantized, comparison, &progress)?,
        None => Vec::<Change>::new(),
    };
    progress.phase(&format!("writing {}", plan.output_init.display()));
    files::write_net(&plan.output_init, &quantized.init)?;
    if let Some(path) = &plan.output_net {
        progress.phase(&format!("writing {}", path.display()));
        if quantized.net.is_none() {
            progress.aside(|| {
                tracing::warn!("no table is read by lookups alone; {} is the net as it was", path.display())
            });
        }
        files::write_net(path, quantized.net.as_ref().unwrap_or(&plan.net))?;
    }
    progress.finish();
    let text = match plan.json {
        true => report::json(&quantized.report, plan.options.scheme, &changes)?,
        false => report::table(&quantized.report, &changes),
    };
    stdout::print(text.as_bytes())
}

/// The error with the file it is about, and what options help.
fn explain(error: QuantizeError, plan: &Plan) -> anyhow::Error {
    let help = match &error {
        QuantizeError::NotFinite { blob, .. } | QuantizeError::TooWide { blob, .. } => {
            format!("; --skip '{blob}' leaves it as it is")
        }
        QuantizeError::BeyondHalf { blob, .. } => {
            format!("; --skip '{blob}' leaves it as it is, and --scheme byte has no such limit")
        }
        QuantizeError::NoSuchBlob { pattern, known } => {
            let near: Vec<_> =
                nearest(pattern, known.iter().map(String::as_str)).iter().map(|name| format!("`{name}`")).collect();
            match near.is_empty() {
                true => String::new(),
                false => format!("; it makes {}", near.join(", ")),
            }
        }
        QuantizeError::Nothing { .. } => {
            "\n--min-elements takes smaller weights, --only 'PATTERN' those of one dimension; weights that are bytes \
             already become floats by `caffe2 dequantize`"
                .into()
        }
        _ => String::new(),
    };
    anyhow!("{}: {error}{help}", plan.init_path.display())
}
