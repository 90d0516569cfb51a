"""Names of the training methods, and which tasks each of their networks learns."""

STL = "stl"
MTL_METHODS = {"equal": "every task's loss has the same weight"}


def task_groups(method: str, tasks: list[str]) -> dict[str, list[str]]:
    """Return the networks that a method trains: name of the network to the tasks it learns.

    The single-task suite `stl` has one network a task, named after it; an MTL method has one for all tasks.
    """
    if method == STL:
        return {task: [task] for task in tasks}
    return {method: list(tasks)}
