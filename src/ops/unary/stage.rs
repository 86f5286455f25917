//! The functions as elementwise work behind another op.

use super::Function::{self, *};
use super::{Unary, UnaryGrad};
use crate::graph::{Elementwise, Pointwise, Stretch};
use crate::tensor::Real;
use crate::tensor::parallel::vectorised;

impl Function {
    /// Whether its constants can be written down in WGSL.
    pub(super) fn finite(self) -> bool {
        let (a, b) = self.constants();
        a.is_finite() && b.is_finite()
    }

    fn label(self) -> String {
        // The variant's name, its words apart, without constants.
        let name = format!("{self:?}");
        let mut label = String::new();
        for c in name.chars().take_while(|c| *c != '(') {
            if c.is_uppercase() && !label.is_empty() {
                label.push('_');
            }
            label.extend(c.to_lowercase());
        }
        label
    }

    /// The fragments of `shaders/lib` that compute it.
    pub(super) fn fragments(self) -> &'static [&'static str] {
        if self.is_elementary() { &["lib/activation", "lib/elementary"] } else { &["lib/activation"] }
    }

    /// The function of its fragment that computes it.
    pub(super) fn wgsl_name(self) -> &'static str {
        if self.is_elementary() { "elementary" } else { "activation" }
    }

    /// The first arguments of the functions in its fragment.
    fn arguments(self) -> String {
        let (a, b) = self.constants();
        format!("{}u, f32({a:?}), f32({b:?})", self.code())
    }
}

impl Elementwise for Unary {
    fn elements<T: Real>(&self, at: &Stretch<T>, y: &mut [T]) {
        let x = at.x[0];
        macro_rules! apply {
            ($function:expr) => {
                vectorised(
                    #[inline(always)]
                    || {
                        for (y, &x) in y.iter_mut().zip(x) {
                            *y = $function.value(x);
                        }
                    },
                )
            };
        }
        for_each_function!(self.function, apply);
    }
}

impl Pointwise for Unary {
    fn label(&self) -> String {
        self.function.label()
    }

    fn fragments(&self) -> &'static [&'static str] {
        self.function.fragments()
    }

    fn wgsl(&self, x: &[String]) -> String {
        format!("{}({}, {})", self.function.wgsl_name(), self.function.arguments(), x[0])
    }
}

impl Elementwise for UnaryGrad {
    fn elements<T: Real>(&self, at: &Stretch<T>, d_x: &mut [T]) {
        let (saved, d_y) = (at.x[0], at.x[1]);
        macro_rules! apply {
            ($function:expr) => {
                vectorised(
                    #[inline(always)]
                    || {
                        for ((d_x, &s), &d_y) in d_x.iter_mut().zip(saved).zip(d_y) {
                            *d_x = $function.pull(s, d_y);
                        }
                    },
                )
            };
        }
        for_each_function!(self.function, apply);
    }
}

impl Pointwise for UnaryGrad {
    fn label(&self) -> String {
        format!("{}_grad", self.function.label())
    }

    fn fragments(&self) -> &'static [&'static str] {
        self.function.fragments()
    }

    fn wgsl(&self, x: &[String]) -> String {
        format!("{} * {}_slope({}, {})", x[1], self.function.wgsl_name(), self.function.arguments(), x[0])
    }
}
