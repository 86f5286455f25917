// Writes rows into a cache, from a position on; rows beyond its end are left out.
// Formula: cache[lead, position + r] = x[lead, r] for position + r < C.
// Shapes: cache [LEAD, C, ROW], x [LEAD, T, ROW], position [1]; ROW counts Wides, which are f32 or vec4<f32>.
// Launch: forward: one invocation per Wide of x, folded into two dimensions.
// Source: derived in src/ops/write_rows.rs.
// Numerics: copies.
// include: lib/index

@group(0) @binding(0) var<storage, read> x: array<Wide>;
@group(0) @binding(1) var<storage, read> position: array<u32>;
@group(0) @binding(2) var<storage, read_write> cache: array<Wide>;

override WG: u32 = 64u;
override LEAD: u32;
override C: u32;
override T: u32;
override ROW: u32;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= LEAD * T * ROW { return; } // guard
    let row = i / ROW % T;
    let first = min(position[0], C);
    if row < C - first {
        cache[(i / (T * ROW) * C + first + row) * ROW + i % ROW] = x[i];
    }
}
