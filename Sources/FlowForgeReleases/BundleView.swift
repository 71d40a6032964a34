import FlowForgeBundle
import FlowForgeDomain
import FlowForgeProtocol
import FlowForgeStore

extension OperatorAPI.BundleView {
    /// Without a manifest the view has no flows, as in lists; without a lock no columns.
    init(
        _ row: BundleRow, manifest: Manifest?, lock: BundleLock? = nil, signatures: [OperatorAPI.SignatureView]? = nil
    ) {
        self.init(
            bundle: row.reference, description: row.description, bytes: row.bytes, pushedAt: row.pushedAt,
            pushedBy: row.pushedBy, flows: manifest?.flows.map(OperatorAPI.BundleFlowView.init),
            assets: lock?.assets.map(OperatorAPI.BundleAssetView.init), signatures: signatures,
            yanked: row.yank.map { OperatorAPI.YankView(at: $0.at, by: $0.by, reason: $0.reason) })
    }
}

extension OperatorAPI.BundleFlowView {
    init(_ flow: FlowSpec) {
        self.init(name: flow.name, description: flow.description, tasks: flow.tasks.map(OperatorAPI.BundleTaskView.init))
    }
}

extension OperatorAPI.BundleTaskView {
    init(_ task: TaskSpec) {
        self.init(
            name: task.name, layer: task.layer, engine: task.engine, inputs: task.inputs, output: task.output,
            load: task.load.mode.rawValue, checks: task.checks.count)
    }
}

extension OperatorAPI.BundleAssetView {
    init(_ asset: LockedAsset) {
        self.init(
            name: asset.asset,
            columns: asset.columns.map {
                OperatorAPI.BundleColumnView(
                    name: $0.name, type: $0.type, nullable: $0.nullable, classification: $0.classification)
            })
    }
}
