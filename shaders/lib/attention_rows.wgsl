// Attention's rows in registers, by vec4. The including file includes lib/attention and is given lane_of.

// Elements 4 c to 4 c + 3 of the row of q that starts at `at`; 0 past its end.
fn q_part(at: u32, c: u32) -> vec4<f32> {
    let i = min(vec4<u32>(4u * c) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(D - 1u));
    let x = vec4<f32>(q[at + i.x], q[at + i.y], q[at + i.z], q[at + i.w]);
    return select(vec4<f32>(0.0), x, vec4<u32>(4u * c) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(D));
}

fn k_part(at: u32, c: u32) -> vec4<f32> {
    let i = min(vec4<u32>(4u * c) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(D - 1u));
    let x = vec4<f32>(k[at + i.x], k[at + i.y], k[at + i.z], k[at + i.w]);
    return select(vec4<f32>(0.0), x, vec4<u32>(4u * c) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(D));
}

fn v_part(at: u32, c: u32) -> vec4<f32> {
    let i = min(vec4<u32>(4u * c) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(DV - 1u));
    let x = vec4<f32>(v[at + i.x], v[at + i.y], v[at + i.z], v[at + i.w]);
    return select(vec4<f32>(0.0), x, vec4<u32>(4u * c) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(DV));
}

// `lane_of` for four values.
fn lane_of4(x: vec4<f32>, lane: u32) -> vec4<f32> {
    return vec4<f32>(lane_of(x.x, lane), lane_of(x.y, lane), lane_of(x.z, lane), lane_of(x.w, lane));
}
