//! Blobs put together from the records of databases.

use std::collections::HashMap;
use std::sync::Arc;

use caffe2_operator::proto::bytes::Bytes;
use caffe2_operator::proto::{BlobProto, Caffe2Message as _, WireLimits};
use caffe2_operator::{Blob, BlobAssembler, DeviceType, MemoryBudget, OpError, blob_name_of_key};

use crate::DbReader;
use crate::location::failed;
use crate::save::strip;

/// Numbers of a message that are decoded whatever memory is left.
const FEW_NUMBERS: usize = 1 << 20;

/// Which blobs are wanted, and under which names.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) strip_prefix: String,
    pub(crate) add_prefix: String,
    /// Outputs by the name in the database; `None`: all that is there is wanted.
    pub(crate) wanted: Option<HashMap<String, usize>>,
    /// Whether a tensor must have been saved by the processor.
    pub(crate) keep_device: bool,
}

impl Selection {
    /// The name of the blob that a record belongs to.
    fn name_of(&self, key: &str) -> String {
        format!("{}{}", self.add_prefix, strip(blob_name_of_key(key), &self.strip_prefix))
    }

    /// Whether a blob is wanted, and as which output.
    fn output_of(&self, name: &str) -> Option<Option<usize>> {
        match &self.wanted {
            None => Some(None),
            Some(wanted) => wanted.get(name).map(|&index| Some(index)),
        }
    }
}

/// A blob whose parts come one after another.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) output: Option<usize>,
    /// The database that has it.
    database: usize,
    blob: BlobAssembler,
}

/// Blobs in the making.
pub(crate) struct Collector<'a> {
    selection: &'a Selection,
    budget: &'a Arc<MemoryBudget>,
    parts: Vec<Part>,
    by_name: HashMap<String, usize>,
    complete: usize,
    /// Names that are there and not wanted.
    others: Vec<String>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(selection: &'a Selection, budget: &'a Arc<MemoryBudget>) -> Collector<'a> {
        let (parts, by_name, others) = (Vec::new(), HashMap::new(), Vec::new());
        Collector { selection, budget, parts, by_name, complete: 0, others }
    }

    /// Takes records from where `reader` stands: to the last one that is needed, which it stands at then, or to
    /// the end.
    pub(crate) fn take(&mut self, database: usize, reader: &DbReader) -> Result<(), OpError> {
        let mut records = reader.records();
        while let Some(key) = records.key() {
            let name = self.selection.name_of(key);
            match self.selection.output_of(&name) {
                None => self.note(name),
                Some(output) => {
                    let value = records.value().map_err(|e| failed(reader.named(e)))?;
                    let file_len = records.file_len();
                    let added = self.add(database, file_len, name, output, value);
                    added.map_err(|problem| failed(reader.named(records.error(problem))))?;
                    if self.has_all() {
                        return Ok(());
                    }
                }
            }
            records.next_key().map_err(|e| failed(reader.named(e)))?;
        }
        Ok(())
    }

    fn note(&mut self, name: String) {
        if self.others.last() != Some(&name) {
            self.others.push(name);
        }
    }

    /// Whether nothing that is wanted is left.
    fn has_all(&self) -> bool {
        self.selection.wanted.as_ref().is_some_and(|wanted| wanted.len() == self.complete)
    }

    fn add(
        &mut self,
        database: usize,
        file_len: u64,
        name: String,
        output: Option<usize>,
        value: Bytes,
    ) -> Result<(), String> {
        // Numbers become elements, of a byte or more: beyond a few there is no use for more than may be allocated.
        let wire = WireLimits::default();
        let left = self.budget.limit().saturating_sub(self.budget.used());
        let limits = WireLimits { max_elements: wire.max_elements.min(left.max(FEW_NUMBERS)), ..wire };
        let proto = BlobProto::from_binary(value, &limits).map_err(|e| e.to_string())?;
        self.check_device(&proto)?;
        let place = *self.by_name.entry(name.clone()).or_insert(self.parts.len());
        if place == self.parts.len() {
            let blob = BlobAssembler::new(Some(Arc::clone(self.budget)), file_len);
            self.parts.push(Part { name, output, database, blob });
        }
        let part = &mut self.parts[place];
        if part.database != database {
            return Err("another of the databases has a blob of this name too".into());
        }
        part.blob.add(proto).map_err(|e| e.to_string())?;
        self.complete += usize::from(part.blob.is_complete());
        Ok(())
    }

    fn check_device(&self, proto: &BlobProto) -> Result<(), String> {
        let device = proto.tensor.as_ref().and_then(|t| t.device_detail.as_ref()).map(|d| d.device_type());
        match device.map(DeviceType) {
            Some(other) if self.selection.keep_device && other != DeviceType::CPU => Err(format!(
                "the tensor was saved by {other}, which `keep_device` asks to keep; only CPU is there"
            )),
            _ => Ok(()),
        }
    }

    /// The blobs, every one complete.
    pub(crate) fn finish(self) -> Result<Found, OpError> {
        let finish = |part: Part| {
            let Part { name, output, blob, .. } = part;
            match blob.finish() {
                Ok(blob) => Ok((name, output, blob)),
                Err(e) => Err(failed(format!("blob `{name}`: {e}"))),
            }
        };
        let blobs = self.parts.into_iter().map(finish).collect::<Result<_, _>>()?;
        Ok(Found { blobs, others: self.others })
    }
}

/// What databases were found to have.
pub(crate) struct Found {
    /// Name, output and content of each blob that was wanted.
    pub(crate) blobs: Vec<(String, Option<usize>, Blob)>,
    /// Names that are there and were not wanted.
    pub(crate) others: Vec<String>,
}
