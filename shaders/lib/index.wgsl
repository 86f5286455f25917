// The flat index of an invocation in a grid made by `groups_1d`: x runs first,
// and y continues where 65,535 workgroups were not enough. The including file
// declares `override WG`, the invocations per workgroup.
fn flat_id(global: vec3<u32>, groups: vec3<u32>) -> u32 {
    return global.y * (groups.x * WG) + global.x;
}

// The flat index of a workgroup in such a grid.
fn flat_group(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
