//! Every operator and some nets give what the real Caffe2 gives. `GOLDEN=Conv` runs the cases with `Conv` in
//! their name.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use caffe2_operator::proto::NetDef;
use caffe2_operator::{BlobInfos, ErrorKind, OpRegistry, TensorInfo, Workspace, infer_net, operator_catalog};
use caffe2_tests::compare::Tolerance;
use caffe2_tests::content::Content;
use caffe2_tests::golden::{
    self, Bench, Blobs, Case, Expected, Failures, RunFailure, compare_blobs, feed, panic_message,
};

fn parent(threads: usize) -> Arc<Workspace> {
    let mut workspace = Workspace::new();
    workspace.set_threads(threads);
    Arc::new(workspace)
}

#[test]
fn operators_give_what_caffe2_gives() {
    let (parent, mut failures) = (parent(1), Failures::default());
    for case in golden::cases() {
        failures.check(&case.name, holds(&parent, &case));
    }
    failures.finish();
}

fn holds(parent: &Arc<Workspace>, case: &Case) -> Result<(), String> {
    match (&case.expected, case.run(parent)) {
        (Expected::Blobs(want, tolerance), Ok(bench)) => {
            compare_blobs(&bench.workspace, want, *tolerance)?;
            case.compare_written(&bench)
        }
        (Expected::Refusal, Err(RunFailure::Refused(error))) => {
            // A type may exist with certain engines only.
            let known =
                || OpRegistry::linked().is_ok_and(|registry| registry.schema(&case.op_type).is_some());
            let refused = error.kind() != ErrorKind::NotRegistered || known();
            let named = refused && error.to_string().contains(&case.op_type);
            if named { Ok(()) } else { Err(format!("refused, but not by the operator: {error}")) }
        }
        (Expected::Refusal, Ok(_)) => Err("ran, expected a refusal".to_string()),
        (_, Err(failure)) => Err(failure.to_string()),
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (one, two, mut failures) = (parent(1), parent(2), Failures::default());
    for case in golden::cases() {
        let result = match (case.run(&one), case.run(&two)) {
            (Ok(first), Ok(second)) => same_blobs(&first.workspace, &second.workspace, &case),
            (Err(first), Err(second)) if first.to_string() == second.to_string() => Ok(()),
            (first, second) => {
                let say =
                    |r: Result<Bench, RunFailure>| r.map_or_else(|e| e.to_string(), |_| "ran".to_string());
                Err(format!("1 thread: {}; 2 threads: {}", say(first), say(second)))
            }
        };
        failures.check(&case.name, result);
    }
    failures.finish();
}

fn same_blobs(first: &Workspace, second: &Workspace, case: &Case) -> Result<(), String> {
    let outputs = case.net.op.iter().flat_map(|op| &op.output);
    for name in outputs.filter(|name| holds_values(first, name)) {
        let (first, second) = (Content::fetch(first, name)?, Content::fetch(second, name)?);
        second.same_bits(&first).map_err(|e| format!("`{name}`: {e}"))?;
    }
    Ok(())
}

/// Whether a blob holds values that can be compared; some operators write blobs of another kind, such as scopes.
fn holds_values(workspace: &Workspace, name: &str) -> bool {
    Content::fetch(workspace, name).is_ok()
}

#[test]
fn a_second_run_gives_the_same() {
    let (parent, mut failures) = (parent(1), Failures::default());
    for case in golden::cases() {
        if let Expected::Blobs(want, tolerance) = &case.expected {
            let mut bench = case.bench(&parent);
            let workspace = &mut bench.workspace;
            let mut twice = || -> Result<(), String> {
                let net = workspace.create_net(&case.net).map_err(|e| e.to_string())?;
                let name = net.info().name().to_owned();
                workspace.run_net(&name).map_err(|e| e.to_string())?;
                feed(workspace, &case.inputs);
                workspace.run_net(&name).map_err(|e| e.to_string())?;
                compare_blobs(workspace, want, *tolerance)
            };
            failures.check(&case.name, twice());
        }
    }
    failures.finish();
}

/// Whether an operator runs nets: names that these nets use must not change, and what they write is not inferred.
fn runs_nets(registry: &OpRegistry, op_type: &str) -> bool {
    registry.registrations().iter().any(|r| r.op_type() == op_type && r.runs_nets())
}

/// Where the schema lets an output be an input's blob, and the two are alike, the result is the same.
#[test]
fn in_place_gives_the_same() {
    let (registry, parent, mut failures) = (OpRegistry::linked().unwrap(), parent(1), Failures::default());
    for case in golden::cases().into_iter().filter(|case| case.net.op.len() == 1) {
        let Some(schema) = registry.schema(&case.op_type).filter(|_| !runs_nets(&registry, &case.op_type))
        else {
            continue;
        };
        let Ok(apart) = golden::run(&parent, &case.net, &case.inputs) else { continue };
        let op = &case.net.op[0];
        for (i, input) in op.input.iter().enumerate() {
            for (o, output) in op.output.iter().enumerate() {
                let used_once = op.input.iter().filter(|name| *name == input).count() == 1;
                if !schema.allows_in_place(i, o) || op.output.contains(input) || !used_once {
                    continue;
                }
                let mut net = case.net.clone();
                net.op[0].output[o].clone_from(input);
                let result = in_place_is_same(&parent, &net, &case.inputs, (input, output), &apart);
                failures.check(&format!("{} ({i} = {o})", case.name), result);
            }
        }
    }
    assert!(failures.checked() > 0 || std::env::var("GOLDEN").is_ok(), "no operator works in place");
    failures.finish();
}

fn in_place_is_same(
    parent: &Arc<Workspace>,
    net: &NetDef,
    inputs: &Blobs,
    (input, output): (&str, &str),
    apart: &Workspace,
) -> Result<(), String> {
    let (want, before) = (Content::fetch(apart, output)?, Content::fetch(apart, input)?);
    match golden::run(parent, net, inputs) {
        Ok(workspace) => Content::fetch(&workspace, input)?.same_bits(&want),
        // An operand that the result does not fit into cannot become the result, nor can the second operand of
        // the broadcast rule of old.
        Err(RunFailure::Refused(_)) if want.info() != before.info() => Ok(()),
        // Some arguments rule it out.
        Err(RunFailure::Refused(error)) if error.to_string().contains("does not work in place") => Ok(()),
        Err(RunFailure::Refused(_))
            if net.op[0].input[0] != input && net.op[0].argument("broadcast").is_some() =>
        {
            Ok(())
        }
        Err(failure) => Err(failure.to_string()),
    }
}

/// Whether an operator that reads a file is told what comes of it.
fn is_told(case: &Case) -> bool {
    case.net.op.iter().all(|op| op.argument("shape").is_some())
}

#[test]
fn inferred_shapes_are_the_actual_ones() {
    let (registry, parent, mut failures) = (OpRegistry::linked().unwrap(), parent(1), Failures::default());
    for case in golden::cases() {
        let inferred = catch_unwind(AssertUnwindSafe(|| infer(&case.net, &case.inputs)));
        let inferred = inferred.map_err(|panic| format!("PANIC: {}", panic_message(panic.as_ref())));
        let result = match (case.run(&parent), inferred) {
            (_, Err(panic)) => Err(panic),
            (Err(_), Ok(_)) => Ok(()),
            (Ok(_), Ok(Err(error))) => Err(format!("runs, but inference says: {error}")),
            // Only the file tells.
            (Ok(_), Ok(Ok(_)))
                if ["CreateDB", "Load"].contains(&case.op_type.as_str()) && !is_told(&case) =>
            {
                Ok(())
            }
            (Ok(bench), Ok(Ok(inferred))) => {
                inferred_is_actual(&registry, &bench.workspace, &case, &inferred)
            }
        };
        failures.check(&case.name, result);
    }
    failures.finish();
}

fn infer(net: &NetDef, inputs: &Blobs) -> Result<Vec<(String, TensorInfo)>, String> {
    let registry = OpRegistry::linked().map_err(|e| e.to_string())?;
    let mut known = BlobInfos::new();
    inputs.iter().for_each(|(name, content)| content.tell(&mut known, name));
    infer_net(&registry, net, &mut known).map_err(|e| e.to_string())?;
    Ok(known.into_iter().collect())
}

/// Whether inferred and actual shapes and types of all outputs are the same, but for blobs that are no tensors, and
/// what nets within operators write and lead to.
fn inferred_is_actual(
    registry: &OpRegistry,
    workspace: &Workspace,
    case: &Case,
    inferred: &[(String, TensorInfo)],
) -> Result<(), String> {
    let plain = case.net.op.iter().take_while(|op| !runs_nets(registry, op.r#type()));
    for name in plain.flat_map(|op| &op.output).filter(|name| holds_values(workspace, name)) {
        let inferred = inferred.iter().find(|(known, _)| known == name);
        let inferred = inferred.map_or_else(TensorInfo::unknown, |(_, info)| info.clone());
        let actual = Content::fetch(workspace, name)?.info();
        if inferred != actual {
            return Err(format!("`{name}`: inferred {inferred}, computed {actual}"));
        }
    }
    Ok(())
}

#[test]
fn nets_give_what_caffe2_gives() {
    let mut failures = Failures::default();
    for net in golden::nets() {
        let check = || -> Result<(), String> {
            let mut workspace = Workspace::new();
            workspace.run_net_once(&net.init).map_err(|e| e.to_string())?;
            feed(&mut workspace, &net.inputs);
            workspace.create_net(&net.predict).map_err(|e| e.to_string())?;
            for _ in 0..2 {
                workspace.run_net(net.predict.name()).map_err(|e| e.to_string())?;
                compare_blobs(&workspace, &net.outputs, net.tolerance)?;
                feed(&mut workspace, &net.inputs);
            }
            Ok(())
        };
        failures.check(&net.name, check());
    }
    failures.finish();
}

#[test]
fn plans_leave_what_caffe2_leaves() {
    let mut failures = Failures::default();
    for (case, threads) in golden::plans().iter().flat_map(|case| [(case, 1), (case, 2), (case, 4)]) {
        let mut workspace = Workspace::new();
        workspace.set_threads(threads);
        feed(&mut workspace, &case.inputs);
        let ran = workspace.run_plan(&case.plan);
        let check = || -> Result<(), String> {
            match ran {
                Ok(()) if case.refused => return Err("ran, expected a refusal".to_string()),
                Err(error) if !case.refused => return Err(format!("refused: {error}")),
                _ => compare_blobs(&workspace, &case.outputs, Tolerance::Exact)?,
            }
            let nets = workspace.nets();
            if nets == case.nets { Ok(()) } else { Err(format!("nets {nets:?}, expected {:?}", case.nets)) }
        };
        failures.check(&format!("{} on {threads} threads", case.name), check());
    }
    assert!(failures.checked() > 100);
    failures.finish();
}

#[test]
fn every_operator_has_a_case() {
    let registry = OpRegistry::linked().unwrap();
    let tested: BTreeSet<String> = golden::cases().into_iter().map(|case| case.op_type).collect();
    let untested: Vec<_> = registry.op_types().into_iter().filter(|op| !tested.contains(*op)).collect();
    assert!(untested.is_empty() || std::env::var("GOLDEN").is_ok(), "operators without a case: {untested:?}");
}

#[test]
fn the_catalogue_is_what_the_crates_register() {
    let registrations = OpRegistry::linked().unwrap().registrations();
    let mut registered: Vec<_> = registrations.iter().map(|r| (r.origin().package, r.op_type())).collect();
    registered.dedup();
    let mut catalogued: Vec<_> = operator_catalog()
        .iter()
        .flat_map(|(package, types)| types.iter().map(|op_type| (*package, *op_type)))
        .collect();
    registered.sort_unstable();
    catalogued.sort_unstable();
    let missing: Vec<_> = catalogued.iter().filter(|entry| !registered.contains(entry)).collect();
    let surplus: Vec<_> = registered.iter().filter(|entry| !catalogued.contains(entry)).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "not registered: {missing:?}; not in the catalogue: {surplus:?}"
    );
}
