// Rows of a tensor by index.
// Formula: y[slot, k] = x[index[slot], k]; 0 where index[slot] >= N.
// Shapes: x [N, ROW], index [SLOTS], y [SLOTS, ROW]; ROW in elements (forward4: in vec4s).
// Launch: one invocation per element of y (forward4: four elements); ceil(n / WG) workgroups, folded into two dimensions.
// Source: derived in src/ops/gather_rows.rs.
// Numerics: copies bits, of floats as well.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(0) var<storage, read> x4: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4<u32>>;

override WG: u32 = 64u;
override N: u32;
override SLOTS: u32;
override ROW: u32;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SLOTS * ROW { return; } // guard
    let row = index[i / ROW];
    var value = 0u;
    if row < N {
        value = x[row * ROW + i % ROW];
    }
    y[i] = value;
}

@compute @workgroup_size(WG)
fn forward4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SLOTS * ROW { return; } // guard
    let row = index[i / ROW];
    var value = vec4<u32>(0u);
    if row < N {
        value = x4[row * ROW + i % ROW];
    }
    y4[i] = value;
}
