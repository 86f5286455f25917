//! Initialisers, as Keras and PyTorch define them.
//!
//! Sources: Glorot and Bengio 2010; He et al., arXiv:1502.01852; LeCun 1998.
//! Keras draws its `_normal` forms from a normal distribution cut at two
//! deviations and widened to the wanted variance; so do these.

use crate::error::{Result, unknown};
use crate::tensor::random::{Random, stream};
use crate::tensor::{HostTensor, Shape};

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initializer {
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// Uniform within `sqrt(6 / (fan_in + fan_out))`: Keras' default.
    GlorotUniform,
    /// Cut normal of variance `2 / (fan_in + fan_out)`.
    GlorotNormal,
    /// Uniform within `sqrt(6 / fan_in)`.
    HeUniform,
    /// Cut normal of variance `2 / fan_in`.
    HeNormal,
    /// Uniform within `sqrt(3 / fan_in)`.
    LecunUniform,
    /// Cut normal of variance `1 / fan_in`.
    LecunNormal,
    /// Uniform within 0.05 (Keras' `random_uniform`).
    RandomUniform,
    /// Normal of deviation 0.05 (Keras' `random_normal`).
    RandomNormal,
    /// Normal of deviation 0.02: GPT-2's.
    Gpt,
    /// Uniform within `1 / sqrt(fan_in)`: what PyTorch gives the weights and
    /// biases of its linear and convolution layers.
    Torch,
}

const NAMES: &[(&str, Initializer)] = &[
    ("zeros", Initializer::Zeros),
    ("ones", Initializer::Ones),
    ("glorot_uniform", Initializer::GlorotUniform),
    ("glorot_normal", Initializer::GlorotNormal),
    ("he_uniform", Initializer::HeUniform),
    ("he_normal", Initializer::HeNormal),
    ("lecun_uniform", Initializer::LecunUniform),
    ("lecun_normal", Initializer::LecunNormal),
    ("random_uniform", Initializer::RandomUniform),
    ("random_normal", Initializer::RandomNormal),
    ("gpt", Initializer::Gpt),
    ("torch", Initializer::Torch),
];

impl Initializer {
    /// The initialiser of that name.
    pub fn named(name: &str) -> Result<Initializer> {
        let found = NAMES.iter().find(|(n, _)| *n == name).map(|(_, i)| *i);
        found.ok_or_else(|| unknown("initializer", name, Initializer::names()))
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, i)| *i == self).expect("every initialiser has a name").0
    }

    /// The elements of parameter number `index` of a model: the same for the
    /// same seed on every machine. `fans` counts the inputs and outputs of one
    /// unit.
    pub fn draw(self, shape: &Shape, fans: (usize, usize), seed: u32, index: u32) -> HostTensor {
        let mut r = Random::new(seed, stream::INIT + index);
        let (fan_in, fan_out) = (fans.0.max(1) as f32, fans.1.max(1) as f32);
        let mean_fan = (fan_in + fan_out) / 2.0;
        let mut next: Box<dyn FnMut() -> f32> = match self {
            Initializer::Zeros => Box::new(|| 0.0),
            Initializer::Ones => Box::new(|| 1.0),
            Initializer::GlorotUniform => uniform(&mut r, (3.0 / mean_fan).sqrt()),
            Initializer::HeUniform => uniform(&mut r, (6.0 / fan_in).sqrt()),
            Initializer::LecunUniform => uniform(&mut r, (3.0 / fan_in).sqrt()),
            Initializer::Torch => uniform(&mut r, 1.0 / fan_in.sqrt()),
            Initializer::RandomUniform => uniform(&mut r, 0.05),
            Initializer::GlorotNormal => cut_normal(&mut r, (1.0 / mean_fan).sqrt()),
            Initializer::HeNormal => cut_normal(&mut r, (2.0 / fan_in).sqrt()),
            Initializer::LecunNormal => cut_normal(&mut r, (1.0 / fan_in).sqrt()),
            Initializer::RandomNormal => Box::new(|| 0.05 * r.normal()),
            Initializer::Gpt => Box::new(|| 0.02 * r.normal()),
        };
        HostTensor::f32(shape.clone(), (0..shape.elements()).map(|_| next()).collect())
    }
}

fn uniform(r: &mut Random, limit: f32) -> Box<dyn FnMut() -> f32 + '_> {
    Box::new(move || r.uniform(-limit, limit))
}

/// The deviation of a standard normal distribution cut at two deviations.
const CUT_DEVIATION: f32 = 0.879_625_7;

fn cut_normal(r: &mut Random, deviation: f32) -> Box<dyn FnMut() -> f32 + '_> {
    Box::new(move || {
        loop {
            let v = r.normal();
            if v.abs() < 2.0 {
                return v * deviation / CUT_DEVIATION;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_variance_they_promise() {
        let shape = Shape::from([100, 1000]);
        for (init, variance) in [
            (Initializer::GlorotUniform, 2.0 / 1100.0),
            (Initializer::GlorotNormal, 2.0 / 1100.0),
            (Initializer::HeNormal, 2.0 / 1000.0),
            (Initializer::HeUniform, 2.0 / 1000.0),
            (Initializer::LecunNormal, 1.0 / 1000.0),
            (Initializer::Torch, 1.0 / 3000.0),
        ] {
            let v = init.draw(&shape, (1000, 100), 1, 0);
            let found = v.as_f32().iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 1e5;
            assert!((found / variance - 1.0).abs() < 0.02, "{}: variance {found}, expected {variance}", init.name());
        }
        let draw = |seed, index| Initializer::Torch.draw(&Shape::from([4]), (1, 1), seed, index);
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }
}
