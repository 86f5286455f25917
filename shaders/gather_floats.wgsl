// Rows of a table of floats by index, normalised on the way.
// Formula: x[slot, f] = data[index[slot], f] * scale[f] + shift[f]; 0 where index[slot] >= N. One factor (shift) stands for all where ONE_SCALE (ONE_SHIFT).
// Shapes: data [N, ROW], index [SLOTS], scale, shift [ROW] or [1], x [SLOTS, ROW]; ROW in elements (forward4, forward4_each: in vec4s).
// Launch: one invocation per element of x (forward4, forward4_each: four elements); ceil(n / WG) workgroups, folded into two dimensions.
// Source: derived in src/ops/gather_floats.rs.
// Numerics: f32.
// include: lib/index

@group(0) @binding(0) var<storage, read> data: array<f32>;
@group(0) @binding(0) var<storage, read> data4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read> scale4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> shift: array<f32>;
@group(0) @binding(3) var<storage, read> shift4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> x4: array<vec4<f32>>;

override WG: u32 = 64u;
override N: u32;
override SLOTS: u32;
override ROW: u32;
override ONE_SCALE: bool;
override ONE_SHIFT: bool;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SLOTS * ROW { return; } // guard
    let row = index[i / ROW];
    let f = i % ROW;
    var value = 0.0;
    if row < N {
        value = data[row * ROW + f] * scale[select(f, 0u, ONE_SCALE)] + shift[select(f, 0u, ONE_SHIFT)];
    }
    x[i] = value;
}

// One factor and one shift for all.
@compute @workgroup_size(WG)
fn forward4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SLOTS * ROW { return; } // guard
    let row = index[i / ROW];
    var values = vec4<f32>(0.0);
    if row < N {
        values = data4[row * ROW + i % ROW] * scale[0] + shift[0];
    }
    x4[i] = values;
}

// A factor and a shift for each feature.
@compute @workgroup_size(WG)
fn forward4_each(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SLOTS * ROW { return; } // guard
    let row = index[i / ROW];
    var values = vec4<f32>(0.0);
    if row < N {
        values = data4[row * ROW + i % ROW] * scale4[i % ROW] + shift4[i % ROW];
    }
    x4[i] = values;
}
