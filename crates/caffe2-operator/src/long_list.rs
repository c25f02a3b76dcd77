//! Long lists of numbers in arguments, read straight to where they are wanted.

use std::marker::PhantomData;

use caffe2_proto::{Argument, EncodedNumbers, NumberField, ProtoError};

use crate::schema::{ArgElement, ArgKind};
use crate::{ArgError, ArgProblem};

/// A list of numbers of an argument that is still in the form of the file: it takes no memory beside that, and is
/// decoded where its elements are to be. From [`Args::long_list`](crate::Args::long_list).
#[derive(Debug)]
pub struct LongList<T> {
    name: &'static str,
    numbers: EncodedNumbers,
    element: PhantomData<fn() -> T>,
}

impl<T: ArgElement> LongList<T> {
    /// The list of the argument `name`. Integers are looked at, since some may not fit `T`.
    pub(crate) fn new(name: &'static str, numbers: &EncodedNumbers) -> Result<LongList<T>, ArgError> {
        let kinds: &[ArgKind] = match numbers.field() {
            NumberField::Floats => &[ArgKind::Floats],
            NumberField::Ints => &[ArgKind::Ints, ArgKind::Bools],
        };
        if !kinds.contains(&T::KIND) {
            let found = format!("`{}`", numbers.field().name());
            return Err(ArgError::new(name, ArgProblem::Field { wanted: T::KIND.field(), found }));
        }
        let list = LongList { name, numbers: numbers.clone(), element: PhantomData };
        if numbers.field() == NumberField::Ints {
            list.each_piece(|piece| T::elements(piece).try_for_each(|element| element.map(drop)))?;
        }
        Ok(list)
    }

    /// How many elements there are, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a list without elements is never kept so")]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Writes the elements to `to`, as many as fit.
    ///
    /// # Errors
    /// When the file is mapped into memory and somebody has changed it.
    pub fn read_into(&self, to: &mut [T]) -> Result<(), ArgError> {
        let mut rest = to;
        self.each_piece(|piece| {
            let elements = T::elements(piece);
            let count = elements.len().min(rest.len());
            let (now, later) = std::mem::take(&mut rest).split_at_mut(count);
            for (slot, element) in now.iter_mut().zip(elements) {
                *slot = element?;
            }
            rest = later;
            Ok(())
        })
    }

    fn each_piece(&self, mut take: impl FnMut(&Argument) -> Result<(), ArgProblem>) -> Result<(), ArgError> {
        let taken = self.numbers.for_each_piece(|piece| take(piece).map_err(Stop::Problem));
        taken.map_err(|stop| match stop {
            Stop::Problem(problem) => ArgError::new(self.name, problem),
            Stop::Input(error) => ArgError::value(self.name, error.to_string()),
        })
    }
}

/// Why a list was not read to its end.
enum Stop {
    Problem(ArgProblem),
    Input(ProtoError),
}

impl From<ProtoError> for Stop {
    fn from(error: ProtoError) -> Stop {
        Stop::Input(error)
    }
}
