//! Columns: a system gets those it asks for as slices, which can be cut between two rows.

use bevy_ecs::change_detection::ContiguousMut;
use bevy_ecs::component::{Component, Mutable};
use bevy_ecs::query::ContiguousQueryData;

/// A column, or a tuple of up to eight, that can be cut between two rows.
pub trait Columns: ContiguousQueryData {
    /// The column as a slice, or the tuple of slices.
    type Slices<'w>: Send;

    /// All rows of a table.
    fn slices<'w>(whole: Self::Contiguous<'w, '_>) -> Self::Slices<'w>;

    /// The rows before `at`, and the rest.
    fn cut<'w>(slices: Self::Slices<'w>, at: usize) -> (Self::Slices<'w>, Self::Slices<'w>);
}

impl<T: Component> Columns for &T {
    type Slices<'w> = &'w [T];

    fn slices<'w>(whole: Self::Contiguous<'w, '_>) -> Self::Slices<'w> {
        whole
    }

    fn cut<'w>(slices: Self::Slices<'w>, at: usize) -> (Self::Slices<'w>, Self::Slices<'w>) {
        slices.split_at(at)
    }
}

impl<T: Component<Mutability = Mutable>> Columns for &mut T {
    type Slices<'w> = &'w mut [T];

    fn slices<'w>(whole: Self::Contiguous<'w, '_>) -> Self::Slices<'w> {
        ContiguousMut::bypass_change_detection_split(whole).0
    }

    fn cut<'w>(slices: Self::Slices<'w>, at: usize) -> (Self::Slices<'w>, Self::Slices<'w>) {
        slices.split_at_mut(at)
    }
}

/// A column that only some of the kinds have.
impl<D: Columns> Columns for Option<D> {
    type Slices<'w> = Option<D::Slices<'w>>;

    fn slices<'w>(whole: Self::Contiguous<'w, '_>) -> Self::Slices<'w> {
        whole.map(D::slices)
    }

    fn cut<'w>(slices: Self::Slices<'w>, at: usize) -> (Self::Slices<'w>, Self::Slices<'w>) {
        slices.map(|slices| D::cut(slices, at)).unzip()
    }
}

macro_rules! tuple_of_columns {
    ($($column:ident $left:ident $right:ident),+) => {
        impl<$($column: Columns),+> Columns for ($($column,)+) {
            type Slices<'w> = ($($column::Slices<'w>,)+);

            #[expect(non_snake_case, reason = "one identifier names the type and its value")]
            fn slices<'w>(($($column,)+): Self::Contiguous<'w, '_>) -> Self::Slices<'w> {
                ($($column::slices($column),)+)
            }

            #[expect(non_snake_case, reason = "one identifier names the type and its value")]
            fn cut<'w>(($($column,)+): Self::Slices<'w>, at: usize) -> (Self::Slices<'w>, Self::Slices<'w>) {
                $(let ($left, $right) = $column::cut($column, at);)+
                (($($left,)+), ($($right,)+))
            }
        }
    };
}
tuple_of_columns!(A a0 a1);
tuple_of_columns!(A a0 a1, B b0 b1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1, D d0 d1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1, D d0 d1, E e0 e1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1, D d0 d1, E e0 e1, F f0 f1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1, D d0 d1, E e0 e1, F f0 f1, G g0 g1);
tuple_of_columns!(A a0 a1, B b0 b1, C c0 c1, D d0 d1, E e0 e1, F f0 f1, G g0 g1, H h0 h1);
