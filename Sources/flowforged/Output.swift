import ArgumentParser
import FlowForgeProtocol
import FlowForgeServer
import FlowForgeStore
import Foundation

/// What the program prints, and how it ends.
enum Output {
    static func json(_ value: some Encodable) throws {
        print(String(decoding: try WireCoding.encoder(pretty: true).encode(value), as: UTF8.self))
    }

    /// One line on standard error, and the exit status of Main's help.
    static func failure(_ error: any Error, setUp: Int32) -> any Error {
        if error is ExitCode { return error }
        let code: Int32 =
            switch error {
            case is StartUpFault: setUp
            case StoreError.busy, StoreError.full: 75
            case is StoreError: setUp
            case is CocoaError: setUp
            default: 70
            }
        let text = (error as? CocoaError)?.localizedDescription ?? "\(error)"
        FileHandle.standardError.write(Data("flowforged: \(text)\n".utf8))
        return ExitCode(code)
    }
}
