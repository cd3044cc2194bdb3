"""The words for dialects and operations. Without this, a list that is kept elsewhere could miss one, and a
vendor file, a quirk or a request could not name it.
"""

from typing import get_args

from switchgear.kernel.dialects import DIALECT_OF, DIALECTS, EMBEDDING_OPERATIONS, OPERATIONS, OPERATIONS_OF
from switchgear.vendors.quirks import Quirks
from switchgear.vendors.schema import Endpoints
from switchgear.wire.call import Operation


def test_every_operation_belongs_to_one_dialect() -> None:
    told = [operation for operations in OPERATIONS_OF.values() for operation in operations]
    assert sorted(told) == sorted(OPERATIONS)
    assert set(OPERATIONS_OF) == set(DIALECTS)
    assert set(DIALECT_OF) == set(OPERATIONS)


def test_a_dialect_is_called_as_the_operation_that_converses_in_it() -> None:
    assert all(DIALECT_OF[dialect] == dialect for dialect in DIALECTS)
    assert not EMBEDDING_OPERATIONS & set(DIALECTS)


def test_requests_and_vendor_files_know_the_same_operations() -> None:
    assert set(get_args(Operation)) == set(OPERATIONS)
    assert set(Endpoints.__struct_fields__) == set(OPERATIONS)
    assert set(Quirks.__struct_fields__) - {"asks_usage"} == set(OPERATIONS)
