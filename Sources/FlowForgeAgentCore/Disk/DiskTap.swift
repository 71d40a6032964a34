import FlowForgeProtocol
import Foundation

/// One step that changes what is on the disk.
enum DiskStep {
    case makeFolder(URL)
    /// Makes the file, or empties it.
    case create(URL)
    case write(URL, at: Int, Data)
    case cut(URL, to: Int)
    case sync(URL)
    case rename(URL, to: URL)
    case remove(URL)
    case syncFolder(URL)
}

/// Told of each step before it is taken; what it throws takes the step's place. This is how a
/// simulation makes the power go between any two of them, and disks full.
struct DiskTap: Sendable {
    var before: @Sendable (DiskStep) throws(DiskError) -> Void

    @TaskLocal static var current: DiskTap?
}
