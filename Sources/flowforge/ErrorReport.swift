import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

/// An error as it is told: one form for people, one for programs, and the exit status.
struct ErrorReport {
    let status: ExitStatus
    let error: APIError

    init(_ thrown: any Error) {
        switch thrown {
        case let thrown as APIError:
            status = ExitStatus(thrown.code)
            error = thrown
        case let thrown as ClientError:
            status = ExitStatus(thrown.kind)
            error = APIError(ErrorCode(rawValue: thrown.kind.rawValue), thrown.message, hint: thrown.hint)
        case let thrown as CommandError:
            status = thrown.status
            error = APIError(thrown.code, thrown.message, hint: thrown.hint)
        case let thrown as BundleRefusal:
            status = .failed
            error = APIError(.invalidBundle, thrown.message)
        case let thrown as BackupFault:
            status = .failed
            error = APIError("backup", thrown.message, hint: thrown.hint)
        case let thrown as DurableFile.Failure:
            status = .failed
            error = APIError("file_system", "\(thrown)", hint: "check the disk and try again")
        case let thrown as CocoaError:
            status = .failed
            let path = (thrown.userInfo[NSFilePathErrorKey] as? String) ?? thrown.url?.path
            error = APIError(
                "file_system", [path, thrown.localizedDescription].compactMap(\.self).joined(separator: ": "),
                hint: "check that the path exists and that you may use it")
        case is CancellationError:
            status = .interrupted
            error = APIError("interrupted", "the command was interrupted")
        default:
            status = .failed
            error = APIError("unexpected", "\(thrown)")
        }
    }

    /// `error: …` and, on a line of its own, `hint: …`.
    func text(_ style: Style) -> String {
        var text = style.paint("error:", .bold, .red) + " \(error.message)"
        if let hint = hint { text += "\n" + style.paint("hint:", .cyan) + "  \(hint)" }
        return text
    }

    private var hint: String? {
        if let hint = error.hint { return hint }
        return error.code == .unauthenticated ? "log in again with `flowforge login`" : nil
    }
}
