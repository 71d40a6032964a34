internal import FlowForgeProtocol
internal import Foundation
internal import GRDB

extension Row {
    /// A typed id from a text column. Text that is no such id means a damaged database.
    func id<Entity>(_ column: String) throws -> ID<Entity> {
        try StoreError.id(self[column], in: column)
    }

    func optionalID<Entity>(_ column: String) throws -> ID<Entity>? {
        let text: String? = self[column]
        return text == nil ? nil : try id(column)
    }

    /// A time from a column of milliseconds that may be null.
    func date(_ column: String) -> Date? {
        let milliseconds: Int64? = self[column]
        return milliseconds.map { Date(milliseconds: $0) }
    }
}
