//! The coordinator's side of one incarnation's numbering: what was taken in, what is stored for good.
//!
//! | number received | receipt | then |
//! |---|---|---|
//! | ≤ mark | `Duplicate` | acknowledge the mark again: the first acknowledgement was lost |
//! | mark < n ≤ taken | `Staged` | nothing: the writer has it, its commit acknowledges it |
//! | taken + 1 | `Commit` | hand it to the writer |
//! | > taken + 1 | `Gap` | protocol error: close the connection, count nothing |
//!
//! Between `Commit` and [`Inbox::committed`] an interval is *staged*: with the writer, not yet on disk. A staged
//! interval survives the connection that brought it, so a repetition on the next connection must not be taken twice;
//! and it is not acknowledged, because a coordinator that dies now has never had it.

/// What to do with an interval that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// New: the writer commits it.
    Commit,
    /// Already with the writer.
    Staged,
    /// Already stored: acknowledge the mark again.
    Duplicate,
    /// Something between is missing.
    Gap {
        /// The number that should have come.
        expected: u64,
    },
}

/// The numbering of one incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inbox {
    /// Everything up to here is stored.
    mark: u64,
    /// Everything up to here was handed to the writer; never below `mark`.
    taken: u64,
}

impl Inbox {
    /// The inbox of an incarnation of which everything up to `mark` is stored; 0 for a new one.
    pub fn new(mark: u64) -> Self {
        Inbox { mark, taken: mark }
    }

    /// Decides what to do with interval `number`.
    pub fn receive(&mut self, number: u64) -> Receipt {
        if number <= self.mark {
            Receipt::Duplicate
        } else if number <= self.taken {
            Receipt::Staged
        } else if number == self.taken + 1 {
            self.taken = number;
            Receipt::Commit
        } else {
            Receipt::Gap { expected: self.taken + 1 }
        }
    }

    /// Notes that the writer stored everything up to `number`; the new mark may be acknowledged. What was never taken
    /// cannot be stored, and moves nothing.
    pub fn committed(&mut self, number: u64) {
        self.mark = self.mark.max(number.min(self.taken));
    }

    /// Everything up to this number is stored.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// How many intervals are with the writer.
    pub fn staged(&self) -> u64 {
        self.taken - self.mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_committed_once_however_often_it_comes() {
        let mut inbox = Inbox::new(3);
        assert_eq!(inbox.receive(3), Receipt::Duplicate);
        assert_eq!(inbox.receive(4), Receipt::Commit);
        assert_eq!(inbox.receive(4), Receipt::Staged);
        assert_eq!(inbox.receive(5), Receipt::Commit);
        assert_eq!((inbox.mark(), inbox.staged()), (3, 2));
        inbox.committed(4);
        assert_eq!(inbox.receive(4), Receipt::Duplicate);
        assert_eq!(inbox.receive(5), Receipt::Staged);
        assert_eq!(inbox.receive(7), Receipt::Gap { expected: 6 });
        assert_eq!((inbox.mark(), inbox.staged()), (4, 1));
    }

    #[test]
    fn what_was_never_taken_cannot_become_the_mark() {
        let mut inbox = Inbox::new(0);
        inbox.receive(1);
        inbox.committed(9);
        inbox.committed(0);
        assert_eq!(inbox.mark(), 1);
    }
}
