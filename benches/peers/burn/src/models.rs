//! The models of wgrad's presets, with Burn's layers.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, Lstm,
    LstmConfig, PaddingConfig2d,
};
use burn::prelude::*;
use burn::tensor::activation::{gelu, relu};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;

#[derive(Module, Debug)]
pub struct KerasCnn {
    conv: Conv2d,
    pool: MaxPool2d,
    dense1: Linear,
    dense2: Linear,
}

impl KerasCnn {
    pub fn new(d: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([1, 32], [3, 3]).init(d),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            dense1: LinearConfig::new(5408, 128).init(d),
            dense2: LinearConfig::new(128, 10).init(d),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.conv.forward(x)));
        self.dense2.forward(relu(self.dense1.forward(x.flatten(1, 3))))
    }
}

#[derive(Module, Debug)]
pub struct Mlp {
    dense1: Linear,
    dense2: Linear,
}

impl Mlp {
    pub fn new(d: &Device) -> Self {
        Self { dense1: LinearConfig::new(784, 128).init(d), dense2: LinearConfig::new(128, 10).init(d) }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.dense2.forward(relu(self.dense1.forward(x)))
    }
}

#[derive(Module, Debug)]
pub struct Rows {
    lstm: Lstm,
    dense: Linear,
}

impl Rows {
    pub fn new(d: &Device) -> Self {
        Self { lstm: LstmConfig::new(28, 128, true).init(d), dense: LinearConfig::new(128, 10).init(d) }
    }

    pub fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let (_, last) = self.lstm.forward(x, None);
        self.dense.forward(last.hidden)
    }
}

#[derive(Module, Debug)]
struct Residual {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    short: Option<Conv2d>,
    short_bn: Option<BatchNorm>,
}

fn conv(i: usize, o: usize, k: usize, stride: usize, d: &Device) -> Conv2d {
    let pad = k / 2;
    Conv2dConfig::new([i, o], [k, k])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(false)
        .init(d)
}

impl Residual {
    fn new(i: usize, o: usize, stride: usize, d: &Device) -> Self {
        let changes = stride != 1;
        Self {
            conv1: conv(i, o, 3, stride, d),
            bn1: BatchNormConfig::new(o).init(d),
            conv2: conv(o, o, 3, 1, d),
            bn2: BatchNormConfig::new(o).init(d),
            short: changes.then(|| conv(i, o, 1, stride, d)),
            short_bn: changes.then(|| BatchNormConfig::new(o).init(d)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        let y = self.bn2.forward(self.conv2.forward(y));
        let short = match (&self.short, &self.short_bn) {
            (Some(conv), Some(bn)) => bn.forward(conv.forward(x)),
            _ => x,
        };
        relu(y + short)
    }
}

#[derive(Module, Debug)]
pub struct ResNet8 {
    conv1: Conv2d,
    bn1: BatchNorm,
    blocks: Vec<Residual>,
    pool: AdaptiveAvgPool2d,
    dense: Linear,
}

impl ResNet8 {
    pub fn new(d: &Device) -> Self {
        Self {
            conv1: conv(3, 16, 3, 1, d),
            bn1: BatchNormConfig::new(16).init(d),
            blocks: [(16, 16, 1), (16, 32, 2), (32, 64, 2)].map(|(i, o, s)| Residual::new(i, o, s, d)).into(),
            pool: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            dense: LinearConfig::new(64, 10).init(d),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.bn1.forward(self.conv1.forward(x)));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.dense.forward(self.pool.forward(x).flatten(1, 3))
    }
}

pub const VOCABULARY: usize = 65;
pub const CONTEXT: usize = 64;
const WIDTH: usize = 128;
const HEADS: usize = 4;
const LAYERS: usize = 4;

#[derive(Module, Debug)]
struct Block {
    ln1: LayerNorm,
    ln2: LayerNorm,
    qkv: Linear,
    out: Linear,
    fc: Linear,
    proj: Linear,
}

impl Block {
    fn new(d: &Device) -> Self {
        Self {
            ln1: LayerNormConfig::new(WIDTH).init(d),
            ln2: LayerNormConfig::new(WIDTH).init(d),
            qkv: LinearConfig::new(WIDTH, 3 * WIDTH).init(d),
            out: LinearConfig::new(WIDTH, WIDTH).init(d),
            fc: LinearConfig::new(WIDTH, 4 * WIDTH).init(d),
            proj: LinearConfig::new(4 * WIDTH, WIDTH).init(d),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, t, w] = x.dims();
        let parts = self.qkv.forward(self.ln1.forward(x.clone())).chunk(3, 2);
        let [q, k, v] = [0, 1, 2].map(|i| parts[i].clone().reshape([n, t, HEADS, w / HEADS]).swap_dims(1, 2));
        let causal = AttentionModuleOptions { is_causal: true, ..Default::default() };
        let y = attention(q, k, v, None, None, causal).swap_dims(1, 2).reshape([n, t, w]);
        let x = x + self.out.forward(y);
        x.clone() + self.proj.forward(gelu(self.fc.forward(self.ln2.forward(x))))
    }
}

#[derive(Module, Debug)]
pub struct Gpt {
    tokens: Embedding,
    positions: Embedding,
    blocks: Vec<Block>,
    ln: LayerNorm,
}

impl Gpt {
    pub fn new(d: &Device) -> Self {
        Self {
            tokens: EmbeddingConfig::new(VOCABULARY, WIDTH).init(d),
            positions: EmbeddingConfig::new(CONTEXT, WIDTH).init(d),
            blocks: (0..LAYERS).map(|_| Block::new(d)).collect(),
            ln: LayerNormConfig::new(WIDTH).init(d),
        }
    }

    pub fn forward(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let h = self.tokens.forward(x) + self.positions.weight.val().unsqueeze::<3>();
        let h = self.blocks.iter().fold(h, |h, block| block.forward(h));
        self.ln.forward(h).flatten::<2>(0, 1).matmul(self.tokens.weight.val().transpose())
    }
}
