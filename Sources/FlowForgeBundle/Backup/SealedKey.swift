internal import Crypto
public import FlowForgeProtocol
public import Foundation

/// The CA's private key as it may lie on a backup medium: encrypted with AES-256-GCM under a key that
/// the platform team keeps elsewhere.
public struct SealingKey: Sendable {
    private let key: SymmetricKey

    /// - Parameter text: 64 hexadecimal digits, as `openssl rand -hex 32` prints them.
    public init?(_ text: Secret) {
        let digits = text.reveal().trimmingCharacters(in: .whitespacesAndNewlines).utf8.map(Self.value)
        guard digits.count == 64, !digits.contains(nil) else { return nil }
        key = SymmetricKey(
            data: stride(from: 0, to: 64, by: 2).map { UInt8((digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0)) })
    }

    /// - Parameter file: which of a backup's secrets it is; the CA's key has no name here, as in the first backups.
    public func seal(_ secret: Secret, for backup: String, _ file: String? = nil) throws -> Data {
        try AES.GCM.seal(Data(secret.reveal().utf8), using: key, authenticating: Self.name(backup, file)).combined ?? Data()
    }

    private static func name(_ backup: String, _ file: String?) -> Data {
        Data((file.map { "\(backup)/\($0)" } ?? backup).utf8)
    }

    /// `nil` for another key, another backup's name, another secret, or damaged bytes.
    public func open(_ sealed: Data, of backup: String, _ file: String? = nil) -> Secret? {
        guard let box = try? AES.GCM.SealedBox(combined: sealed),
            let bytes = try? AES.GCM.open(box, using: key, authenticating: Self.name(backup, file))
        else { return nil }
        return Secret(String(decoding: bytes, as: UTF8.self))
    }

    private static func value(_ digit: UInt8) -> Int? { Character(UnicodeScalar(digit)).hexDigitValue }
}
