// Copies one tensor into its columns of the joined tensor.
// Formula: y[outer, FIRST + column] = x[outer, column].
// Shapes: x [N / COLUMNS, COLUMNS], y [N / COLUMNS, Y_COLUMNS]; indices in elements, in copy4 in vectors of four.
// Launch: one invocation per element of x (copy4: four elements); ceil(N / WG) workgroups, folded into two dimensions.
// Source: derived in src/ops/concat.rs.
// Numerics: copies bits.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(0) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y4: array<vec4<f32>>;

override WG: u32 = 64u;
override N: u32;
override COLUMNS: u32;
override FIRST: u32;
override Y_COLUMNS: u32;

@compute @workgroup_size(WG)
fn copy(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    y[i / COLUMNS * Y_COLUMNS + FIRST + i % COLUMNS] = x[i];
}

@compute @workgroup_size(WG)
fn copy4(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    y4[i / COLUMNS * Y_COLUMNS + FIRST + i % COLUMNS] = x4[i];
}
